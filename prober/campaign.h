// SPDX-License-Identifier: Apache-2.0
//
// Campaign: what is probed next, and what became of it: targets, rounds, pacing and learning together.
//
// Threads:   a value of the prober's loop. No socket and no clock: packets and `now` come in.
// Results:   every probe handed out ends as exactly one answered or lost report, as one withheld
//            because it says nothing about the path (prober/learning.h), or as cancelled.
#pragma once

#include <functional>
#include <optional>
#include <queue>
#include <vector>

#include "event/event.h"
#include "prober/counters.h"
#include "prober/in_flight.h"
#include "prober/network_pace.h"
#include "prober/options.h"
#include "prober/pacer.h"
#include "prober/probe.h"
#include "prober/round.h"
#include "prober/target.h"

namespace isochrone::prober {

// Without an RTT the probe was lost.
struct Observation {
  Prefix prefix;
  Method method = Method::icmp;
  std::optional<Nanos> rtt;
  Instant sent{};
  std::uint32_t round = 0;
};

class Campaign {
 public:
  using Report = std::function<void(const Observation&)>;

  Campaign(const Options& options, std::uint64_t seed, Counters& counters, Report report);

  // New targets, rates and lists; what is in flight goes on.
  void configure(const Options& options);
  // A target event. `age` is how long ago it was said, as far as that is known.
  void demand(const event::Target& target, Nanos age, Monotonic now);

  // The next probe, if one may leave now: the caller fills in the send time, sends, and says
  // cancelled() when that failed. `wall` goes into it as the send time until a better one is known.
  Probe* next(Monotonic now, Instant wall);
  // Returns what it was, when it is not over yet.
  std::optional<Probe> cancelled(std::uint64_t sequence, bool is_unreachable);

  void arrived(const Arrival& arrival, Monotonic now, Instant wall);
  // Whether expire() would count something as lost.
  bool is_overdue(Monotonic now);
  // Counts what has timed out as lost.
  void expire(Monotonic now);
  // When next() or expire() has something to do; never in the past of the pacer.
  Monotonic wake();

  // How far turns lie apart in this round.
  Nanos spacing() const { return round_.spacing(); }

  InFlight& in_flight() { return in_flight_; }
  std::uint32_t round() const { return round_.number(); }

 private:
  // A turn that came while its network had had enough.
  struct PutOff {
    Monotonic until{};
    TargetRef target;
    friend bool operator>(const PutOff& a, const PutOff& b) { return a.until > b.until; }
  };

  void begin_round(Monotonic now);
  Probe* launch(std::uint32_t slot, Monotonic now, Instant wall);
  void put_off(Target& target, std::uint32_t slot, const Address& to, Monotonic now);
  void take_up(Monotonic now);
  void answered(const Probe& probe, Nanos rtt, bool is_final);
  void lost(const Probe& probe);
  void landed(Target& target, std::uint32_t slot);
  void count_targets();
  void watch_clocks(Monotonic now, Instant wall);
  Nanos rtt_of(const Probe& probe, const Arrival& arrival, Monotonic now);

  Options options_;
  OptOut opt_out_;
  Counters& counters_;
  Report report_;
  Random random_;
  TargetSet targets_;
  Pacer pacer_;
  NetworkPace networks_;
  std::priority_queue<PutOff, std::vector<PutOff>, std::greater<>> put_off_;
  Round round_;
  InFlight in_flight_;
  bool stretch_said_ = false;
  std::optional<Nanos> clock_offset_;  // wall less monotonic, when they were last looked at
  Monotonic stepped_at_{};             // when the wall clock was last found to have been set
};

}  // namespace isochrone::prober
