// SPDX-License-Identifier: Apache-2.0
//
// LogWalk: the events of channels between two positions, with one bound for all that is read.
//
// Threads:  a value of one thread; logs may be read from any.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <utility>

#include "base/result.h"
#include "base/time.h"
#include "collector/event_log.h"

namespace isochrone::collector {

class LogWalk {
 public:
  static constexpr std::size_t kMaxEvents = 20'000'000;
  using Take = std::function<void(const event::Event&, event::Position)>;

  // `goes_on` is asked now and then; false ends each walk with `unavailable`.
  LogWalk(const EventLog& log, std::function<bool()> goes_on)
      : log_(log), goes_on_(std::move(goes_on)) {}

  // Those after a position, up to another and with it, in order; Errc::limit beyond kMaxEvents in all.
  Result<void> each(event::Channel channel, event::Position after, event::Position until,
                    const Take& take);

 private:
  const EventLog& log_;
  std::function<bool()> goes_on_;
  std::size_t events_ = 0;
};

// When the first kept event at or after a position happened; nothing without any.
std::optional<Instant> time_at(const EventLog& log, event::Channel channel, event::Position from);

}  // namespace isochrone::collector
