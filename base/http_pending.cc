// SPDX-License-Identifier: Apache-2.0
#include "base/http_pending.h"

#include <utility>

namespace isochrone {
namespace {

// The last one to go settles what its holder forgot.
class ReplyHandle final : public HttpReplyLater {
 public:
  explicit ReplyHandle(std::shared_ptr<PendingReply> pending) : pending_(std::move(pending)) {}
  ~ReplyHandle() override { pending_->reply(http_error(500, "the request was given up")); }
  bool reply(HttpResponse response) override { return pending_->reply(std::move(response)); }
  bool is_open() const override { return pending_->is_open(); }

 private:
  std::shared_ptr<PendingReply> pending_;
};

}  // namespace

PendingReply::PendingReply(HttpLine& line) : state_(State{&line, false, {}}) { line.suspend(); }

std::shared_ptr<HttpReplyLater> PendingReply::handle() {
  return std::make_shared<ReplyHandle>(shared_from_this());
}

bool PendingReply::reply(HttpResponse response) {
  return state_.with([&](State& state) {
    if (state.line == nullptr || state.is_answered) return false;
    const bool is_heard = state.line->peer_waits();
    state.is_answered = true;
    state.response = std::move(response);
    state.line->resume();  // also when the peer has gone: that is how the connection ends
    return is_heard;
  });
}

bool PendingReply::is_open() const {
  return state_.with([](const State& state) {
    return state.line != nullptr && !state.is_answered && state.line->peer_waits();
  });
}

std::optional<HttpResponse> PendingReply::take() {
  return state_.with([](State& state) { return std::exchange(state.response, std::nullopt); });
}

void PendingReply::end() { reply(http_error(503, "the server is stopping", "try again")); }

void PendingReply::gone() {
  state_.with([](State& state) { state.line = nullptr; });
}

}  // namespace isochrone
