// SPDX-License-Identifier: Apache-2.0
//
// Engine: the loop that sends what the campaign wants, when it wants it, and hands back what comes.
//
// Threads:   lives in one loop's thread.
// Cost:      one wake-up per kTick at most while sending; two clock reads a probe, and one system call
//            each for sending, stamps and answers of all probes of a wake-up; no allocation.
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
  // Sleeping and waking costs about 25 us; at 10,000 probes a second five leave per wake-up. Far
  // below what the pacer lets a late wake-up catch up, so the rate is still reached.
  static constexpr Nanos kTick = Pacer::kCatchUp / 8;

  // Sends from the first turn of the loop on.
  Engine(Loop& loop, Wire wire, const Options& options, std::uint64_t seed, Counters& counters,
         Campaign::Report report);

  void configure(const Options& options);
  void demand(const event::Target& target, Nanos age);
  std::uint32_t round() const { return campaign_.round(); }

 private:
  void tick();
  void refused(std::uint64_t sequence, int error_number);
  void receive(int fd);
  void arm();
  void report_send_error(int error_number, const Probe& probe);

  Loop& loop_;
  Counters& counters_;
  Wire wire_;
  Campaign campaign_;
  Fd timer_;
  std::unique_ptr<Poll> timer_poll_;
  std::vector<std::unique_ptr<Poll>> polls_;
  Monotonic armed_{};        // when the timer fires
  Monotonic quiet_until_{};  // send errors are logged once per ten seconds
};

}  // namespace isochrone::prober
