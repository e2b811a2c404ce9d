// SPDX-License-Identifier: Apache-2.0
#include "event/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace isochrone::event {
namespace {

// The bytes of the UTF-8 sequence that `text` starts with, 0 when it is ill-formed (Unicode table
// 3-7: no surrogates, no overlong forms, nothing past U+10FFFF).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const unsigned low = first == 0xe0 ? 0xa0 : 0x80;
    const unsigned high = first == 0xed ? 0x9f : 0xbf;
    return byte(1) >= low && byte(1) <= high && continues(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const unsigned low = first == 0xf0 ? 0x90 : 0x80;
    const unsigned high = first == 0xf4 ? 0x8f : 0xbf;
    return byte(1) >= low && byte(1) <= high && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

// Control characters would let an event write into logs and terminals.
bool is_plain_text(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto first = static_cast<unsigned char>(text[0]);
    if (length == 0 || first < 0x20 || first == 0x7f) return false;
    text.remove_prefix(length);
  }
  return true;
}

// Remembers the first failure; the rest is not looked at any more.
class Checker {
 public:
  void require(bool holds, std::string_view field, std::string_view should) {
    if (holds || !result_) return;
    result_ = fail(Errc::invalid, fmt::format("field \"{}\": should be {}", field, should));
  }
  void name(std::string_view text, std::string_view field) {
    require(!text.empty() && text.size() <= kMaxNameBytes && is_plain_text(text), field,
            "1 to 253 bytes of UTF-8 without control characters");
  }
  void note(std::string_view text, std::string_view field) {
    require(text.size() <= kMaxNameBytes && is_plain_text(text), field,
            "at most 253 bytes of UTF-8 without control characters");
  }
  void time(Instant instant, std::string_view field) {
    require(instant >= kMinTime && instant < kMaxTime, field, "a time from 1970 to 2199");
  }
  void rtt(Micros rtt, std::string_view field) {
    require(rtt >= Micros(0) && rtt <= kMaxRtt, field, "0 to 60000000 microseconds");
  }
  Result<void> result() && { return std::move(result_); }

 private:
  Result<void> result_;
};

void check_payload(Checker& checker, const Measurement& measurement) {
  checker.name(measurement.site, "site");
  if (measurement.rtt) checker.rtt(*measurement.rtt, "rtt_us");
}

void check_payload(Checker& checker, const Demand& demand) {
  checker.name(demand.service, "service");
  checker.require(demand.interval >= Millis(0) && demand.interval <= kMaxInterval, "interval_ms",
                  "0 to 86400000 milliseconds");
}

void check_payload(Checker& checker, const Health& health) {
  checker.name(health.site, "site");
  checker.note(health.reason, "reason");
}

void check_payload(Checker& checker, const Load& load) { checker.name(load.site, "site"); }

// How much more a view says: each number is signed and bounded.
void check_more(Checker& checker, const routing::Excess& more, const std::string& where) {
  for (const Micros time : {more.min, more.p50, more.p90, more.jitter}) {
    checker.require(std::chrono::abs(time) <= kMaxRtt, where + "more_*_us",
                    "-60000000 to 60000000 microseconds");
  }
  checker.require(std::abs(more.loss_permille) <= 1000, where + "more_loss_permille",
                  "-1000 to 1000");
}

void check_path(Checker& checker, const State::Path& path, const std::string& where) {
  checker.name(path.site, where + "site");
  checker.rtt(path.estimate.min, where + "min_us");
  checker.rtt(path.estimate.p50, where + "p50_us");
  checker.rtt(path.estimate.p90, where + "p90_us");
  checker.rtt(path.estimate.jitter, where + "jitter_us");
  checker.rtt(path.estimate.aside, where + "aside_us");
  check_more(checker, path.more, where);
  checker.time(path.estimate.at, where + "at");
  checker.require(path.estimate.loss_permille <= 1000, where + "loss_permille", "0 to 1000");
}

void check_payload(Checker& checker, const State& state) {
  checker.require(state.paths.size() <= kMaxPaths, "paths", "at most 64 paths");
  checker.require(state.preferences.size() <= kMaxPreferences, "preferences",
                  "at most 1024 preferences");
  checker.require(state.views.size() <= kMaxPaths * routing::kMethods, "views",
                  "at most 384 views");
  for (const auto& path : state.paths) check_path(checker, path, "paths[].");
  for (const auto& view : state.views) check_path(checker, view, "views[].");
  for (const auto& preference : state.preferences) {
    checker.name(preference.service, "preferences[].service");
    checker.name(preference.site, "preferences[].site");
  }
}

void check_payload(Checker& checker, const Target& target) {
  checker.require(!target.addresses.empty() && target.addresses.size() <= kMaxTargetAddresses,
                  "addresses", "1 to 16 addresses");
  checker.require(target.sites.size() <= kMaxPaths, "sites", "at most 64 sites");
  for (const std::string& site : target.sites) checker.name(site, "sites[]");
  checker.require(target.lifetime >= Seconds(0) && target.lifetime <= kMaxLifetime, "lifetime_s",
                  "0 to 86400 seconds");
}

void check_payload(Checker& checker, const DecisionSample& decision) {
  checker.name(decision.service, "service");
  checker.name(decision.site, "site");
  checker.note(decision.reason, "reason");
  checker.require(decision.scope <= decision.prefix.address().width(), "scope",
                  "at most the width of the address: 32 or 128");
}

}  // namespace

Result<void> check(const Event& event) {
  Checker checker;
  checker.name(event.id.source, "id.source");
  checker.require(event.id.epoch > 0, "id.epoch", "the source's start in Unix microseconds");
  checker.require(event.id.sequence > 0, "id.sequence", "counted from 1");
  checker.time(event.time, "time");
  checker.note(event.task, "task");
  std::visit([&](const auto& payload) { check_payload(checker, payload); }, event.payload);
  return std::move(checker).result();
}

}  // namespace isochrone::event
