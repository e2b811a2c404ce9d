// SPDX-License-Identifier: Apache-2.0
//
// Repetitions: whether an event whose id was seen before is the same event again, or another one.
//
// Threads:  one thread, the engine's; lives for one commit.
// Cost:     a look-up in the log per repeated id; blocks are cached, so that a batch that is posted
//           again costs one read. After kMaxLookups the rest of the commit counts as the same.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "collector/event_log.h"
#include "event/event.h"

namespace isochrone::collector {

class Repetitions {
 public:
  // A post of 1000 repeated events touches a handful of blocks; a flood of ids drawn by chance must
  // not hold up the others for more than some 10 ms.
  static constexpr std::size_t kMaxLookups = 20'000;

  // `fresh`: what this commit is about to store; may grow between calls.
  Repetitions(const EventLog& log, const std::vector<event::Event>& fresh)
      : log_(log), fresh_(fresh) {}

  enum class Verdict : std::uint8_t { same, other, unknown };
  // `stored` is filled for `other`. Unknown: the first event with this id is not kept any more.
  Verdict judge(const event::Event& event, std::optional<Found>& stored);

 private:
  std::optional<Found> pending(const event::EventId& id);

  const EventLog& log_;
  const std::vector<event::Event>& fresh_;
  struct IdHash {
    std::size_t operator()(const event::EventId& id) const noexcept;
  };
  std::unordered_map<event::EventId, std::size_t, IdHash> by_id_;  // the first of fresh_, so far
  std::size_t indexed_ = 0;
  std::size_t lookups_ = 0;
};

}  // namespace isochrone::collector
