// SPDX-License-Identifier: Apache-2.0
//
// Counters: what the prober counts, per method and in all.
//
// Threads: written by the prober's loop (PassiveCounters by that of passive measuring), read by any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>

#include "base/counter.h"
#include "prober/probe.h"

namespace isochrone::prober {

struct MethodCounters {
  Counter sent, answered, lost, late, duplicate, forged;
};

// Of the thread that watches clients' connections.
struct PassiveCounters {
  Counter sweeps;
  Counter sweeps_put_off;                   // the one before was not done
  Counter connections;                      // looked at
  Counter refused;                          // the kernel would not say more
  Counter lines, lines_skipped, rotations;  // of the log
  Counter rtts, losses;                     // told the collector
};

struct Counters {
  std::array<MethodCounters, 6> by_method;  // by routing::Method
  Counter send_errors;                      // the operating system refused; not a loss of the path
  Counter unreachable;  // refused for want of a route: a loss of the path, counted as lost too
  Counter withheld;     // losses of a search or trial, which say nothing about the path: no event
  Counter skipped;      // turns that found a probe of the same target still in flight
  Counter put_off;      // turns that waited because their network had had enough
  Counter stalled;      // turns put off because the in-flight ring was full
  Counter rounds;
  Counter rounds_stretched;
  Counter clock_steps;      // RTTs taken from the monotonic clock because the wall clock moved
  Counter refused_targets;  // opted out, special use, or too many

  PassiveCounters passive;

  // Gauges, stored by the loop.
  std::atomic<std::size_t> configured{0};
  std::atomic<std::size_t> demanded{0};
  std::atomic<std::size_t> in_flight{0};

  MethodCounters& of(Method method) { return by_method[static_cast<std::size_t>(method)]; }
  const MethodCounters& of(Method method) const {
    return by_method[static_cast<std::size_t>(method)];
  }
};

}  // namespace isochrone::prober
