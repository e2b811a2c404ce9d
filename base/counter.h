// SPDX-License-Identifier: Apache-2.0
//
// Counter: a number that one thread raises and any thread reads.
//
// Threads: exactly one writer. The increment is a plain load and store, not a locked instruction;
//          two writers would lose counts.
#pragma once

#include <atomic>
#include <cstdint>

namespace isochrone {

class Counter {
 public:
  void add(std::uint64_t count = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

}  // namespace isochrone
