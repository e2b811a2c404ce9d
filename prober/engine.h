// SPDX-License-Identifier: Apache-2.0
//
// Engine: the loop that sends what the campaign wants, when it wants it, and hands back what comes.
//
// Threads:   lives in one loop's thread.
// Cost:      two clock reads a probe, and one system call each for sending, stamps and answers of all
//            probes of a wake-up; no allocation.
// Wake-ups:  few turns: one for each, and one for each answer. Many (kPolledSpacing): one for about
//            kPerWake turns, which also looks for answers; the kernel has noted when they came.
#pragma once

#include <memory>
#include <vector>

#include "base/fd.h"
#include "base/loop.h"
#include "prober/campaign.h"
#include "prober/wire.h"

namespace isochrone::prober {

class Engine {
 public:
  // Sleeping and waking costs about 25 us, so turns that lie near each other share one. What leaves
  // together is too little to be a burst: eight small packets.
  static constexpr Nanos kPolledSpacing = Micros(500);
  static constexpr int kPerWake = 16;
  // Far below what the pacer lets a late wake-up catch up, so the rate is still reached.
  static constexpr Nanos kLongestTick = Pacer::kCatchUp / 2;
  static constexpr Nanos kShortestTick = Pacer::kCatchUp / 16;

  // Sends from the first turn of the loop on.
  Engine(Loop& loop, Wire wire, const Options& options, std::uint64_t seed, Counters& counters,
         Campaign::Report report);

  void configure(const Options& options);
  void demand(const event::Target& target, Nanos age);
  std::uint32_t round() const { return campaign_.round(); }

 private:
  void tick();
  bool send_due();
  void receive_all();
  Nanos tick_length() const;
  void watch_or_poll();
  void refused(std::uint64_t sequence, int error_number);
  void receive(int fd);
  void arm(bool has_more = false);
  void report_send_error(int error_number, const Probe& probe);

  Loop& loop_;
  Counters& counters_;
  Wire wire_;
  Campaign campaign_;
  Fd timer_;
  std::unique_ptr<Poll> timer_poll_;
  std::vector<std::unique_ptr<Poll>> polls_;
  bool is_polling_ = false;  // answers are looked for by tick() and wake nobody
  Monotonic armed_{};        // when the timer fires
  Monotonic quiet_until_{};  // send errors are logged once per ten seconds
};

}  // namespace isochrone::prober
