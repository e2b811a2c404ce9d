// SPDX-License-Identifier: Apache-2.0
//
// InFlight: the probes that are on their way, in the order they left.
//
// A ring indexed by Probe::sequence: finding a probe is one access, and losses come off its tail in
// order of sending because the timeout is the same for all.
// Threads:   a value of the prober's loop.
// Size:      bounded: `capacity` probes of about 80 bytes. What has left the ring is forgotten; its
//            answer counts as late.
// Invariant: a waiting probe is never overwritten: is_full() says so first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "prober/probe.h"

namespace isochrone::prober {

class InFlight {
 public:
  // At least `capacity` probes; rounded up to a power of two.
  explicit InFlight(std::size_t capacity);

  // More room; probes on their way stay.
  void grow(std::size_t capacity);

  bool is_full() noexcept;
  std::size_t waiting() const noexcept { return waiting_; }
  std::uint64_t next_sequence() const noexcept { return next_; }

  // Takes the next sequence. Not when is_full(). Valid until the ring comes round.
  Probe& add(const Probe& probe);
  // Takes back what could not be sent; nothing when it no longer waits.
  std::optional<Probe> cancel(std::uint64_t sequence) noexcept;

  // Null when it has left the ring or was never sent.
  Probe* find(std::uint64_t sequence) noexcept;
  // The newest probe whose sequence has these low bits, given with their mask.
  Probe* find_low_bits(std::uint64_t bits, std::uint64_t mask) noexcept;

  // Notes an answer. `probe` is null when the probe is gone or the answer names another destination.
  struct Match {
    Outcome outcome = Outcome::forged;
    const Probe* probe = nullptr;
  };
  Match answer(std::uint64_t sequence, const Address& from, Method method) noexcept;

  // The oldest waiting probe sent before `limit`, now lost; call until there is none.
  const Probe* expire(Monotonic limit) noexcept;
  // When the oldest waiting probe was sent.
  std::optional<Monotonic> oldest() noexcept;

 private:
  enum class Status : std::uint8_t { empty, waiting, answered, lost };
  struct Slot {
    Probe probe;
    Status status = Status::empty;
  };
  Slot& slot(std::uint64_t sequence) noexcept { return slots_[sequence & (slots_.size() - 1)]; }
  bool holds(std::uint64_t sequence) const noexcept;
  void skip_done() noexcept;

  std::vector<Slot> slots_;
  std::uint64_t next_ = 1;    // 0 is never a probe
  std::uint64_t oldest_ = 1;  // nothing before it waits
  std::size_t waiting_ = 0;
};

}  // namespace isochrone::prober
