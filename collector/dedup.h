// SPDX-License-Identifier: Apache-2.0
//
// Dedup: which event ids were seen before, in a few bytes per source.
//
// A source numbers its events from 1 within an epoch, so what was seen is a high-water mark and the
// runs of numbers that are still missing below it.
//
// Threads:  one thread.
// Cost:     O(1) for an id in order, O(log kMaxGaps) for one that is late; no allocation for either.
// Limits:   kMaxGaps runs of missing ids per epoch: beyond it the oldest run counts as seen, so an
//           id that late is reported as a duplicate. kEpochsKept lives per source: an id of an older
//           one likewise. kMaxSources sources: a new one is refused until another has been silent
//           for the retention, after which its events are refused for their age anyway.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "event/event.h"

namespace isochrone::collector {

enum class Seen : std::uint8_t { first_time, duplicate, too_many_sources };

class Dedup {
 public:
  // A reader that posts in order has no gap; a batch that overtook others leaves one run each.
  static constexpr std::size_t kMaxGaps = 256;
  // The life that ended last may still be delivered by a proxy; two more for clocks that stepped.
  static constexpr std::size_t kEpochsKept = 4;
  // About 300 bytes each: 30 MB when all are in use.
  static constexpr std::size_t kMaxSources = 100'000;

  explicit Dedup(Nanos retention) : retention_(retention) {}

  // Marks the id as seen.
  Seen check(const event::EventId& id, Instant now);

  // The sources changed since the last commit() or rollback(), as records to be stored.
  struct Record {
    std::string source;
    std::string bytes;  // empty: forget this source
  };
  std::vector<Record> changes() const;
  void commit();
  void rollback();
  // Takes back what changes() gave in an earlier life, or another collector's; a record it cannot read
  // is refused.
  bool restore(std::string_view source, std::string_view bytes);

  std::size_t sources() const noexcept { return sources_.size(); }
  std::size_t gaps() const noexcept;

 private:
  struct Gap {
    std::uint64_t first;
    std::uint64_t last;
  };
  struct Epoch {
    std::uint64_t start = 0;
    std::uint64_t high = 0;    // the highest sequence seen
    std::vector<Gap> missing;  // sorted, disjoint, all below high
  };
  struct Source {
    Instant last_seen{};
    std::vector<Epoch> epochs;  // sorted by start
  };

  static bool mark(Epoch& epoch, std::uint64_t sequence);
  static Epoch* find_epoch(Source& source, std::uint64_t start);
  static std::string encode(const Source& source);
  bool make_room(Instant now);
  void remember(const std::string& name, const Source* before);

  Nanos retention_;
  std::unordered_map<std::string, Source> sources_;
  // What the changed sources were before; without epochs: did not exist.
  std::unordered_map<std::string, Source> before_;
};

}  // namespace isochrone::collector
