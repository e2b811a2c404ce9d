// SPDX-License-Identifier: Apache-2.0
#include "dns/tap_ring.h"

#include <cstring>

namespace isochrone::dns {
namespace {

// Before each record: its octets, or kLap where the next one stands at the ring's beginning.
using Length = std::uint64_t;
constexpr std::size_t kHead = sizeof(Length);
constexpr Length kLap = ~Length{0};

// Records begin at multiples of the head, so it always fits before the end.
constexpr std::size_t whole(std::size_t octets) { return (octets + kHead - 1) / kHead * kHead; }

}  // namespace

TapRing::TapRing(std::size_t octets) : octets_(octets) {}

MutableBytes TapRing::room(std::size_t octets) noexcept {
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  const std::size_t wanted = kHead + whole(octets);
  const std::size_t rest = to_the_end(head);
  const std::size_t skipped = rest < wanted ? rest : 0;
  given_ = skipped + wanted;
  const auto fits = [&] { return head - tail_seen_ + given_ <= octets_.size(); };
  if (!fits()) {
    tail_seen_ = tail_.load(std::memory_order_acquire);
    if (!fits()) return {};
  }
  if (skipped != 0) std::memcpy(at(head), &kLap, kHead);
  const Length length = octets;
  std::memcpy(at(head + skipped), &length, kHead);
  return {at(head + skipped) + kHead, octets};
}

void TapRing::commit() noexcept {
  head_.store(head_.load(std::memory_order_relaxed) + given_, std::memory_order_release);
}

Bytes TapRing::front() noexcept {
  std::uint64_t tail = tail_.load(std::memory_order_relaxed);
  if (tail == head_seen_) {
    head_seen_ = head_.load(std::memory_order_acquire);
    if (tail == head_seen_) return {};
  }
  Length length = 0;
  std::memcpy(&length, at(tail), kHead);
  if (length == kLap) {
    // A record follows: both were committed at once.
    tail += to_the_end(tail);
    tail_.store(tail, std::memory_order_release);
    std::memcpy(&length, at(tail), kHead);
  }
  return {at(tail) + kHead, static_cast<std::size_t>(length)};
}

void TapRing::pop() noexcept {
  const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
  Length length = 0;
  std::memcpy(&length, at(tail), kHead);
  tail_.store(tail + kHead + whole(static_cast<std::size_t>(length)), std::memory_order_release);
}

}  // namespace isochrone::dns
