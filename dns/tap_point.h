// SPDX-License-Identifier: Apache-2.0
//
// TapPoint: where one worker leaves what it was asked and what it answered.
//
// Threads:  note() of the worker, which never waits; ring() is read by the thread that writes; dropped() by any.
// Cost:     note(): a copy of both messages, and a look-up of the reason for a routed answer. Nothing is
//           allocated. What finds no room is counted.
#pragma once

#include "base/bytes.h"
#include "base/counter.h"
#include "dns/answer.h"
#include "dns/tap_record.h"
#include "dns/tap_ring.h"

namespace isochrone::dns {

class TapPoint {
 public:
  TapPoint(bool queries, bool answers) : queries_(queries), answers_(answers) {}

  // `record` has flow and times; `sent` is empty when nothing was sent back.
  void note(const Snapshot& snapshot, TapRecord record, Bytes query, Bytes sent,
            const Reply& reply) noexcept;
  TapRing& ring() noexcept { return ring_; }
  // Frames that were not written because the ring was full.
  std::uint64_t dropped() const noexcept { return dropped_.value(); }

 private:
  const bool queries_;
  const bool answers_;
  Counter dropped_;
  TapRing ring_;
};

}  // namespace isochrone::dns
