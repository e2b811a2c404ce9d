// SPDX-License-Identifier: Apache-2.0
//
// DelayQueue: packets in flight, each handed out when it is due.
//
// Order:     by due time; packets due at the same time leave in the order they were pushed.
// Threads:   one.
// Ownership: owns every slot it lends; a lent slot comes back through push() or release().
// Cost:      O(log n) per packet; a slot is allocated only when more fly than ever before.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/time.h"
#include "lab/packet.h"

namespace isochrone::lab {

struct PacketSlot {
  std::array<std::uint8_t, kMaxPacketBytes> bytes;
  std::size_t length = 0;
  std::size_t link = 0;  // where it leaves
  Monotonic due{};
};

class DelayQueue {
 public:
  explicit DelayQueue(std::size_t capacity) : capacity_(capacity) {}

  // A slot to fill, or null when `capacity` packets are in flight.
  PacketSlot* acquire() {
    if (free_.empty()) {
      if (slots_.size() == capacity_) return nullptr;
      slots_.push_back(std::make_unique<PacketSlot>());
      free_.push_back(slots_.back().get());
    }
    PacketSlot* slot = free_.back();
    free_.pop_back();
    return slot;
  }
  void release(PacketSlot* slot) { free_.push_back(slot); }

  void push(PacketSlot* slot, Monotonic due) {
    slot->due = due;
    heap_.push_back({due, next_order_++, slot});
    std::push_heap(heap_.begin(), heap_.end(), Later{});
  }
  std::optional<Monotonic> next_due() const {
    if (heap_.empty()) return std::nullopt;
    return heap_.front().due;
  }
  // The first packet due by `now`, or null. Give it back with release().
  PacketSlot* pop_due(Monotonic now) {
    if (heap_.empty() || heap_.front().due > now) return nullptr;
    std::pop_heap(heap_.begin(), heap_.end(), Later{});
    PacketSlot* slot = heap_.back().slot;
    heap_.pop_back();
    return slot;
  }
  std::size_t size() const noexcept { return heap_.size(); }

 private:
  struct Item {
    Monotonic due;
    std::uint64_t order;
    PacketSlot* slot;
  };
  struct Later {
    bool operator()(const Item& a, const Item& b) const {
      return a.due != b.due ? a.due > b.due : a.order > b.order;
    }
  };

  const std::size_t capacity_;
  std::vector<std::unique_ptr<PacketSlot>> slots_;
  std::vector<PacketSlot*> free_;
  std::vector<Item> heap_;
  std::uint64_t next_order_ = 0;
};

}  // namespace isochrone::lab
