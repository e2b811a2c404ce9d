// SPDX-License-Identifier: Apache-2.0
#include "collector/repeats.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/crc32c.h"

namespace isochrone::collector {
namespace {

bool may_go_well_later(int status) {
  return status >= 500 || status == 401 || status == 403 || status == 429;
}

// The answer of the first, as it is for a repetition: what that one had accepted is there already.
HttpResponse for_repetition(HttpResponse response) {
  auto receipt = nlohmann::json::parse(response.body, nullptr, false);
  if (!receipt.is_object() || !receipt.contains("accepted") || !receipt.contains("duplicates")) {
    return response;
  }
  receipt["duplicates"] =
      receipt["accepted"].get<std::uint64_t>() + receipt["duplicates"].get<std::uint64_t>();
  receipt["accepted"] = 0;
  response.body = receipt.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  return response;
}

HttpResponse repeated(HttpResponse response, Nanos age) {
  const auto seconds = std::chrono::duration_cast<Seconds>(age).count();
  response.headers["X-Isochrone-Repeated"] = std::to_string(seconds) + "s";
  return response;
}

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

// Between the one that carries a request out and the client that asked first.
class Repeats::Recorder final : public HttpReplyLater {
 public:
  Recorder(std::shared_ptr<Repeats> repeats, const Key& key, std::shared_ptr<HttpReplyLater> client)
      : repeats_(std::move(repeats)), key_(key), client_(std::move(client)) {}
  ~Recorder() override { repeats_->settle(key_, nullptr); }

  bool reply(HttpResponse response) override {
    repeats_->settle(key_, &response);
    return client_->reply(std::move(response));
  }
  bool is_open() const override { return client_->is_open(); }

 private:
  std::shared_ptr<Repeats> repeats_;
  const Key key_;
  std::shared_ptr<HttpReplyLater> client_;
};

void Repeats::set_window(Nanos window) { window_ns_.store(window.count()); }

Repeats::Key Repeats::key_of(const HttpRequest& request, std::string_view caller) const {
  // What is not the body is short; a zero byte ends each part, and none has one inside.
  std::string rest = std::string(caller) + '\0' + request.path + '\0';
  for (const char* name : {"content-type", "idempotency-key"}) {
    const auto found = request.headers.find(name);
    rest += (found == request.headers.end() ? "" : found->second) + '\0';
  }
  return {
      siphash(secret_, bytes_of(request.body)) ^ siphash({secret_.k1, secret_.k0}, bytes_of(rest)),
      crc32c(bytes_of(request.body)), request.body.size()};
}

void Repeats::forget_old(State& state, Monotonic now) const {
  const Nanos window(window_ns_.load());
  while (!state.order.empty() &&
         (state.order.front().first + window <= now || state.order.size() > kMaxRepeats ||
          state.bytes > kMaxRepeatBytes)) {
    const auto found = state.entries.find(state.order.front().second);
    state.bytes -= found->second.response.body.size();
    state.entries.erase(found);
    state.order.pop_front();
  }
}

std::shared_ptr<HttpReplyLater> Repeats::begin(const Key& key,
                                               std::shared_ptr<HttpReplyLater> reply,
                                               Monotonic now) {
  if (window_ns_.load() == 0) return reply;
  std::optional<HttpResponse> answer;
  const bool is_first = state_.with([&](State& state) {
    forget_old(state, now);
    const auto [at, is_new] = state.entries.try_emplace(key);
    Entry& entry = at->second;
    if (is_new) {
      entry.at = now;
    } else if (entry.is_answered) {
      answer = repeated(entry.response, now - entry.at);
    } else {
      entry.waiting.push_back(reply);
    }
    return is_new;
  });
  if (is_first) return std::make_shared<Recorder>(shared_from_this(), key, std::move(reply));
  answered_.fetch_add(1, std::memory_order_relaxed);
  if (answer) reply->reply(std::move(*answer));
  return nullptr;
}

void Repeats::settle(const Key& key, const HttpResponse* response) {
  std::vector<std::shared_ptr<HttpReplyLater>> waiting;
  const bool is_kept = response != nullptr && !may_go_well_later(response->status) &&
                       response->body.size() <= kMaxRepeatBody;
  std::optional<HttpResponse> answer;
  if (response != nullptr) answer = for_repetition(*response);
  state_.with([&](State& state) {
    const auto found = state.entries.find(key);
    if (found == state.entries.end() || found->second.is_answered) return;
    Entry& entry = found->second;
    waiting = std::move(entry.waiting);
    if (!is_kept) {
      state.entries.erase(found);
      return;
    }
    entry.is_answered = true;
    entry.response = *answer;
    state.bytes += answer->body.size();
    state.order.emplace_back(entry.at, key);
  });
  // Those that wait for one that was given up get 500 as they are dropped, as it did.
  for (const auto& each : waiting) {
    if (answer) each->reply(repeated(*answer, Nanos(0)));
  }
}

}  // namespace isochrone::collector
