// SPDX-License-Identifier: Apache-2.0
//
// Emulator: moves every packet of the lab, each after the delay that its path has now.
//
// A packet from a node to another node is forwarded after half the round trip. A packet from a node
// to a client network is turned into the host's answer at once and comes back after the round trip.
//
// Threads:   the loop's.
// Ownership: owns the TUN descriptors; borrows plan and WAN.
// Precision: one timerfd in absolute monotonic time, set to the packet due next; few packets are
// read
//            per wake-up so that due ones do not wait for the rest. It sleeps when nothing is due.
// Limits:    kMaxInFlight packets; more are dropped and counted.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "base/loop.h"
#include "lab/delay_queue.h"
#include "lab/error_histogram.h"
#include "lab/plan.h"
#include "lab/wan.h"

namespace isochrone::lab {

// Half a second of 100 000 packets/s: beyond what one core moves, at 1.5 KiB each 77 MiB.
constexpr std::size_t kMaxInFlight = 50'000;

class Emulator {
 public:
  struct Stats {
    std::uint64_t read = 0;
    std::uint64_t answered = 0;    // in the name of a host of a client network
    std::uint64_t forwarded = 0;   // to another node
    std::uint64_t lost = 0;        // by chance, a cut site or an unreachable path
    std::uint64_t silent = 0;      // hosts of client networks say nothing to it
    std::uint64_t unroutable = 0;  // to an address that is nobody's, multicast included
    std::uint64_t malformed = 0;
    std::uint64_t overflow = 0;      // kMaxInFlight reached
    std::uint64_t write_failed = 0;  // the kernel refused it
  };

  // links[i] is the TUN device of plan.nodes[i], non-blocking.
  Emulator(Loop& loop, const Plan& plan, Wan& wan, std::vector<Fd> links);
  Emulator(const Emulator&) = delete;
  Emulator& operator=(const Emulator&) = delete;

  const Stats& stats() const noexcept { return stats_; }
  std::size_t in_flight() const noexcept { return queue_.size(); }
  // When packets were written, against when they were due.
  const ErrorHistogram& timer_error() const noexcept { return timer_error_; }
  // What the yardstick saw from inside a namespace, against kYardstickDelay.
  const ErrorHistogram& delay_error() const noexcept { return delay_error_; }

 private:
  void read_link(std::size_t link);
  // Where the packet in `slot` goes and when; empty: nowhere, and it is counted.
  std::optional<Nanos> route(PacketSlot& slot, std::size_t from);
  std::optional<Nanos> forward(PacketSlot& slot, std::size_t from, std::size_t to,
                               const IpHeader& header);
  std::optional<Nanos> answer(PacketSlot& slot, std::size_t from, std::size_t network,
                              const IpHeader& header);
  std::optional<Nanos> echo(PacketSlot& slot, std::size_t from, const IpHeader& header);
  void deliver_due();
  void arm();

  Loop& loop_;
  const Plan& plan_;
  Wan& wan_;
  const std::vector<Fd> links_;
  const Fd timer_;
  DelayQueue queue_{kMaxInFlight};
  PacketSlot overflow_;  // where packets are read to when all slots fly
  std::optional<Monotonic> armed_;
  Stats stats_;
  ErrorHistogram timer_error_;
  ErrorHistogram delay_error_;
  std::vector<std::unique_ptr<Poll>> polls_;
};

// Asks for real-time scheduling of this thread, or else for a better nice value: whether it got the
// first. Children do not inherit it.
bool claim_realtime();

}  // namespace isochrone::lab
