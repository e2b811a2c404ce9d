// SPDX-License-Identifier: Apache-2.0
//
// Conditions: which of the configured rules hold now, from what tasks, sites and channels show.
//
// A rule compares one metric of each site or channel with a bound. While it has held for its `hold`
// time the alert fires; when it holds no more, or the rule or its subject is gone, the alert is over.
// A metric without a value (no round has ended yet) changes nothing.
//
// Threads:  one thread. No clock: `now` is in the vitals.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "event/event.h"

namespace isochrone::collector {

enum class ConditionMetric : std::uint8_t {
  round_completeness,  // of a site's last round: probes sent of those that make it whole, 0..1
  round_loss,          // likewise: lost of sent, 0..1
  site_silence,        // seconds since its prober was heard
  channel_silence,     // seconds since an event arrived in the channel
  channel_rate,        // events per second that arrived in it, over `over`
  catchment_moved      // share of a site's catchment that left it, over `over`
};
constexpr std::array<std::string_view, 6> kConditionMetrics{
    "round-completeness", "round-loss",   "site-silence",
    "channel-silence",    "channel-rate", "catchment-moved"};
constexpr bool is_of_channel(ConditionMetric metric) {
  return metric == ConditionMetric::channel_silence || metric == ConditionMetric::channel_rate;
}

struct Condition {
  std::string name;
  ConditionMetric metric = ConditionMetric::round_completeness;
  std::optional<double> above;  // exactly one of these two
  std::optional<double> below;
  std::string of;    // the site or channel; empty: each
  Seconds hold{0};   // how long it must hold
  Seconds over{60};  // the span of rates and moves
  std::string severity;
};

// What was seen at one moment.
struct Vitals {
  struct Round {
    std::string task;
    double completeness = 1;
    double loss = 0;
  };
  struct Site {
    std::string name;
    std::optional<Instant> heard;  // none: never, so it has no prober
    std::uint64_t catchment = 0;   // (prefix, service) pairs that prefer it
    std::uint64_t left = 0;        // of them, how many ever went to another
    std::optional<Round> round;    // the last that ended
  };
  struct Channel {
    event::Position last = 0;
    std::optional<Instant> arrived;  // the last event
  };
  Instant now{};
  std::vector<Site> sites;
  std::array<Channel, event::kChannels> channels;
};

struct Alert {
  std::string condition;
  std::string subject;  // the site or channel
  std::string severity;
  bool is_channel = false;
  bool is_firing = false;
  double value = 0;             // when last looked at
  std::string detail;           // what an operator reads: the metric, the bound, the task
  Instant since{};              // when the rule began to hold
  std::optional<Instant> over;  // when it ended; only of one that fired
  bool is_told = false;         // the receiver knows the present state
};

class Conditions {
 public:
  explicit Conditions(std::vector<Condition> rules) : rules_(std::move(rules)) {}

  // Whether anything is to be told: an alert fires, or is over.
  bool evaluate(const Vitals& vitals);
  // Firing ones and those that are over and not told yet.
  std::vector<Alert> to_tell() const;
  // The receiver took these.
  void told(const std::vector<Alert>& alerts);
  // What an earlier life was firing, perhaps by rules that are gone.
  void restore(const Alert& alert);
  // What fires by a rule that is gone is over at the next evaluation.
  void replace(std::vector<Condition> rules);

  const std::vector<Condition>& rules() const noexcept { return rules_; }
  const std::map<std::pair<std::string, std::string>, Alert>& alerts() const { return alerts_; }

 private:
  struct Past {
    Instant at;
    std::uint64_t count;
    std::uint64_t size;
  };
  void judge(const Condition& rule, const std::string& subject, std::optional<double> value,
             std::string_view more, Instant now);
  void end_unjudged(Instant now);
  std::optional<double> of_site(const Condition& rule, const Vitals::Site& site, Instant now);
  std::optional<double> of_channel(const Condition& rule, std::size_t channel,
                                   const Vitals::Channel& seen, Instant now);
  const Past& look_back(const Condition& rule, const std::string& subject, Past present);

  std::vector<Condition> rules_;
  std::map<std::pair<std::string, std::string>, Alert> alerts_;  // by condition and subject
  std::map<std::pair<std::string, std::string>, std::deque<Past>> past_;
  std::set<std::pair<std::string, std::string>> judged_;  // by the evaluation at hand
};

// The body of Alertmanager's webhook (version 4) for these alerts.
std::string alertmanager_body(const std::vector<Alert>& alerts, std::string_view node);
// One alert as it is kept over a restart.
std::string to_note(const Alert& alert);
std::optional<Alert> from_note(std::string_view bytes);

}  // namespace isochrone::collector
