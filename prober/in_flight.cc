// SPDX-License-Identifier: Apache-2.0
#include "prober/in_flight.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <utility>

namespace isochrone::prober {

InFlight::InFlight(std::size_t capacity)
    : slots_(std::bit_ceil(std::max<std::size_t>(capacity, 2))) {}

void InFlight::grow(std::size_t capacity) {
  if (capacity <= slots_.size()) return;
  std::vector<Slot> larger(std::bit_ceil(capacity));
  for (Slot& old : slots_) {
    if (old.status != Status::empty) larger[old.probe.sequence & (larger.size() - 1)] = old;
  }
  slots_ = std::move(larger);
}

bool InFlight::holds(std::uint64_t sequence) const noexcept {
  const Slot& at = slots_[sequence & (slots_.size() - 1)];
  return at.status != Status::empty && at.probe.sequence == sequence;
}

bool InFlight::is_full() noexcept {
  skip_done();
  return next_ - oldest_ >= slots_.size();
}

Probe& InFlight::add(const Probe& probe) {
  assert(!is_full());
  Slot& taken = slot(next_);
  taken = {probe, Status::waiting};
  taken.probe.sequence = next_++;
  ++waiting_;
  return taken.probe;
}

std::optional<Probe> InFlight::cancel(std::uint64_t sequence) noexcept {
  if (!holds(sequence) || slot(sequence).status != Status::waiting) return std::nullopt;
  // The sequence is spent all the same: packets never share one.
  slot(sequence).status = Status::empty;
  --waiting_;
  return slot(sequence).probe;
}

Probe* InFlight::find(std::uint64_t sequence) noexcept {
  return holds(sequence) ? &slot(sequence).probe : nullptr;
}

Probe* InFlight::find_low_bits(std::uint64_t bits, std::uint64_t mask) noexcept {
  const std::uint64_t newest = next_ - 1;
  const std::uint64_t behind = (newest - bits) & mask;
  return behind > newest ? nullptr : find(newest - behind);
}

InFlight::Match InFlight::answer(std::uint64_t sequence, const Address& from,
                                 Method method) noexcept {
  if (sequence == 0 || sequence >= next_) return {Outcome::forged, nullptr};
  if (!holds(sequence)) return {Outcome::late, nullptr};
  Slot& found = slot(sequence);
  if (found.probe.destination != from || found.probe.method != method) {
    return {Outcome::forged, nullptr};
  }
  const Status before = std::exchange(found.status, Status::answered);
  if (before == Status::answered) return {Outcome::duplicate, &found.probe};
  if (before == Status::lost) return {Outcome::late, &found.probe};
  --waiting_;
  return {Outcome::answered, &found.probe};
}

void InFlight::skip_done() noexcept {
  while (oldest_ < next_ && slot(oldest_).status != Status::waiting) ++oldest_;
}

std::optional<Monotonic> InFlight::oldest() noexcept {
  skip_done();
  if (oldest_ == next_) return std::nullopt;
  return slot(oldest_).probe.sent_at;
}

const Probe* InFlight::expire(Monotonic limit) noexcept {
  skip_done();
  if (oldest_ == next_ || slot(oldest_).probe.sent_at > limit) return nullptr;
  Slot& lost = slot(oldest_++);
  lost.status = Status::lost;
  --waiting_;
  return &lost.probe;
}

}  // namespace isochrone::prober
