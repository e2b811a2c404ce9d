// SPDX-License-Identifier: Apache-2.0
//
// TapRing: records of one worker on their way to the thread that writes them down.
//
// Threads:  room() and commit() of one, front() and pop() of another. Neither ever waits.
// Cost:     copying; no lock, no system call, no allocation. The other side's line is read only when the
//           ring seems full, or empty.
// Limits:   a record that does not fit is refused, and the next may fit again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace isochrone::dns {

class TapRing {
 public:
  // Some 12 000 queries with their answers: 60 ms at 200 k/s, in which the writer surely comes by.
  static constexpr std::size_t kOctets = std::size_t{4} << 20;

  // A power of two.
  explicit TapRing(std::size_t octets = kOctets);

  // To write one record into, in one piece; empty when there is no room.
  MutableBytes room(std::size_t octets) noexcept;
  // What room() gave last is a record.
  void commit() noexcept;

  // The oldest record; empty when there is none. Valid until pop().
  Bytes front() noexcept;
  void pop() noexcept;

 private:
  std::size_t to_the_end(std::uint64_t position) const noexcept {
    return octets_.size() - static_cast<std::size_t>(position & (octets_.size() - 1));
  }
  std::uint8_t* at(std::uint64_t position) noexcept {
    return octets_.data() + (position & (octets_.size() - 1));
  }

  // Positions only grow. Each side has a line of its own.
  std::vector<std::uint8_t> octets_;
  alignas(64) std::atomic<std::uint64_t> head_{0};  // records end here
  std::uint64_t tail_seen_ = 0;
  std::size_t given_ = 0;                           // by room()
  alignas(64) std::atomic<std::uint64_t> tail_{0};  // and begin here
  std::uint64_t head_seen_ = 0;
};

}  // namespace isochrone::dns
