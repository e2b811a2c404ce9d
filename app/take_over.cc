// SPDX-License-Identifier: Apache-2.0
#include "app/take_over.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "app/control.h"
#include "app/estate_message.h"
#include "app/hand_over.h"
#include "base/log.h"

namespace isochrone::app {
namespace {

using nlohmann::json;

// The slowest step is the other's collector ending: it finishes what it reduces.
constexpr Millis kPatience{60'000};

json parsed(const std::string& text) {
  auto value = json::parse(text, nullptr, false);
  return value.is_object() ? value : json::object();
}

std::optional<HttpPlace> place_of(const json& offer, const char* key) {
  const json place = offer.is_object() ? offer.value(key, json()) : json();
  if (!place.is_object()) return std::nullopt;
  const auto asked = Endpoint::parse(place.value("asked", ""));
  const auto bound = Endpoint::parse(place.value("bound", ""));
  if (!asked || !bound) return std::nullopt;
  return HttpPlace{*asked, *bound};
}

}  // namespace

Result<std::unique_ptr<TakeOver>> TakeOver::begin(const std::filesystem::path& state_dir) {
  auto channel = UnixChannel::connect(control_path(state_dir));
  if (!channel) {
    return tl::unexpected(channel.error().within("no process to replace runs with node.state-dir " +
                                                 state_dir.string() +
                                                 "; start one with `isochrone run`"));
  }
  std::unique_ptr<TakeOver> self(new TakeOver);
  self->channel_ = std::move(*channel);
  auto reply = self->ask("replace");
  if (!reply) return tl::unexpected(reply.error());
  const json said = parsed(*reply);
  const json offer = said.value("offer", json());
  self->offer_ = {place_of(offer, "collector"), place_of(offer, "http")};
  const json manager = said.value("manager", json::object());
  self->manager_socket_ = manager.value("socket", "");
  self->watchdog_us_ = manager.value("watchdog_us", std::int64_t{0});
  // A service manager ends a service whose main process is not one of its own.
  if (!self->manager_socket_.empty() && said.value("cgroup", "") != own_cgroup()) {
    return fail(Errc::invalid,
                "the running process belongs to a service manager; let that one run this command "
                "(`systemctl reload`, see operations)");
  }
  return self;
}

Result<std::string> TakeOver::ask(const std::string& what, const std::string& reason,
                                  const Metrics::Counters& counters) {
  const json message{{"do", what}, {"reason", reason}, {"counters", counters}};
  if (auto sent = channel_.send(message.dump()); !sent) {
    return fail(Errc::unavailable, sent.error().text());
  }
  auto reply = channel_.receive(kPatience);
  if (!reply) return tl::unexpected(reply.error());
  const json said = parsed(reply->text);
  if (said.contains("refused")) return fail(Errc::invalid, said.value("refused", ""));
  return std::move(reply->text);
}

Result<Estate> TakeOver::sockets(Fd& control) {
  if (auto sent = channel_.send(json{{"do", "sockets"}}.dump()); !sent) {
    return tl::unexpected(sent.error());
  }
  return receive_estate(channel_, control, kPatience);
}

Result<Metrics::Counters> TakeOver::serving() {
  auto reply = ask("serving");
  if (!reply) return tl::unexpected(reply.error());
  return counters_in(*reply);
}

Result<void> TakeOver::ready() {
  auto reply = ask("ready");
  if (!reply) return tl::unexpected(reply.error());
  if (!parsed(*reply).contains("farewell")) {
    return fail(Errc::invalid, "the other process has taken everything back");
  }
  return {};
}

void TakeOver::failed(const std::string& reason, const Metrics::Counters& counters) {
  (void)ask("failed", reason.substr(0, 1'000), counters);
}

void TakeOver::follow(Loop& loop, Roles& roles) {
  poll_ = std::make_unique<Poll>(loop, channel_.fd(), [this, &roles](unsigned) {
    const auto message = channel_.receive(Millis(0));
    if (message) return roles.set_earlier(counters_in(message->text));
    poll_->stop();
    log_info("the process that was replaced has ended");
  });
  poll_->watch(Poll::readable);
}

}  // namespace isochrone::app
