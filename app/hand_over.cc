// SPDX-License-Identifier: Apache-2.0
#include "app/hand_over.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/estate_message.h"
#include "base/log.h"

namespace isochrone::app {
namespace {

using nlohmann::json;

// Opening an event log reads back at most two write buffers; a minute is far beyond it.
constexpr Millis kPatience{60'000};
// How often the rest is tried again: the other's files may be open for a moment after its end.
constexpr Millis kAgain{100};

json place_of(const std::optional<HttpPlace>& place) {
  if (!place) return nullptr;
  return {{"asked", place->asked.to_string()}, {"bound", place->bound.to_string()}};
}

}  // namespace

std::string own_cgroup() {
  std::ifstream in("/proc/self/cgroup");
  return {std::istreambuf_iterator<char>(in), {}};
}

HandOver::HandOver(Loop& loop, Roles& roles, Notifier& notifier, Control& control,
                   std::function<void()> ended)
    : loop_(loop),
      roles_(roles),
      notifier_(notifier),
      control_(control),
      ended_(std::move(ended)),
      drained_(loop,
               [this] {
                 tell_counters();
                 log_info("replaced, the last connection has ended");
                 ended_();
               }),
      patience_(loop, [this] { take_back("it was silent for too long"); }),
      again_(loop, [this] { step_ == Step::draining ? tell_counters() : take_back_rest(); }) {}

void HandOver::begin(UnixChannel channel) {
  if (is_busy()) {
    (void)channel.send(json{{"refused", "another process is replacing it already"}}.dump());
    return;
  }
  step_ = Step::offered;
  channel_ = std::move(channel);
  log_info(fmt::format("another process comes to replace this one pid={}", channel_.peer()));
  poll_ = std::make_unique<Poll>(loop_, channel_.fd(), [this](unsigned) { read(); });
  poll_->watch(Poll::readable);
  offer();
}

void HandOver::call_off() {
  if (!is_busy() || is_done()) return;
  (void)channel_.send(json{{"refused", "the running process was told to end"}}.dump());
}

void HandOver::read() {
  const auto message = channel_.receive(Millis(0));
  const json said = message ? json::parse(message->text, nullptr, false) : json();
  if (said.is_object() && step_ == Step::standing_by && said.value("do", "") == "failed") {
    roles_.take_counters_back(counters_in(message->text));
  }
  if (said.is_object()) return obey(said.value("do", ""), said.value("reason", ""));
  if (step_ == Step::draining) {
    poll_->stop();
  } else {
    take_back(message ? "it said what is unknown here" : message.error().text());
  }
}

void HandOver::obey(const std::string& what, const std::string& reason) {
  if (what == "sockets" && step_ == Step::offered) {
    const auto sent = send_estate(channel_, roles_.estate(), control_.listener());
    if (!sent) take_back(sent.error().text());
  } else if (what == "serving" && step_ == Step::offered) {
    stand_by();
  } else if (what == "ready" && step_ == Step::standing_by) {
    go();
  } else {
    take_back(what == "failed" ? reason : "it is out of step");
  }
}

void HandOver::offer() {
  roles_.save();
  const Offer offer = roles_.offer();
  const json message{
      {"offer", {{"collector", place_of(offer.collector)}, {"http", place_of(offer.http)}}},
      {"manager", {{"socket", notifier_.path()}, {"watchdog_us", notifier_.watchdog_us()}}},
      {"pid", ::getpid()},
      {"cgroup", own_cgroup()}};
  if (auto sent = channel_.send(message.dump()); !sent) take_back(sent.error().text());
}

void HandOver::stand_by() {
  step_ = Step::standing_by;
  roles_.stand_by();
  patience_.start(kPatience);
  const auto sent = channel_.send(json{{"counters", roles_.counters()}}.dump());
  if (!sent) take_back(sent.error().text());
}

void HandOver::go() {
  step_ = Step::draining;
  patience_.stop();
  control_.stop();
  notifier_.main_pid(channel_.peer());
  (void)channel_.send(json{{"farewell", true}}.dump());
  log_info(fmt::format("replaced, serving open connections to their end pid={}", channel_.peer()));
  again_.start(kAgain, kAgain);
  roles_.drain([this] { drained_.notify(); });
}

void HandOver::tell_counters() {
  // One that cannot hear it has the counters of its beginning.
  (void)channel_.send(json{{"counters", roles_.counters()}}.dump());
}

void HandOver::take_back(const std::string& reason) {
  patience_.stop();
  poll_.reset();
  log_warning(fmt::format("not replaced, this process goes on reason=\"{}\"", reason));
  const bool has_stood_by = std::exchange(step_, Step::taking_back) == Step::standing_by;
  has_told_ = false;
  has_stood_by ? take_back_rest() : part();
}

void HandOver::part() {
  channel_.close();
  step_ = Step::none;
}

void HandOver::take_back_rest() {
  if (auto resumed = roles_.resume(); !resumed) {
    for (const Error& error : resumed.error()) {
      if (!has_told_) log_warning(error.within("not taken back yet").text());
    }
    has_told_ = true;
    (void)channel_.send(json{{"resumed", "dns"}}.dump());
    return again_.start(kAgain);
  }
  (void)channel_.send(json{{"resumed", "all"}}.dump());
  part();
  log_info(fmt::format("took everything back {}", roles_.describe()));
}

}  // namespace isochrone::app
