// SPDX-License-Identifier: Apache-2.0
//
// EventLog: what was acknowledged, in the order it became durable, with its indexes.
//
// Threads:  append() and trim() from one thread; everything that reads from any.
// Durable:  when append() returns a value, all of it is on disk, or none of it when it returns an
//           error: events, dedup records and notes are one atomic write.
// Limits:   a record that cannot be read back is skipped and counted, the rest is kept.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "event/event.h"

namespace isochrone::collector {

// A small fact kept beside the events: a dedup record, a mark of progress. Empty bytes: forget it.
struct Note {
  std::string key;
  std::string bytes;
};

struct StoredBytes {
  event::Position position = 0;
  std::string event;  // one serialized Protobuf event
};

struct Page {
  std::vector<StoredBytes> events;
  event::Position scanned = 0;  // the last position looked at: resume after it
};

class EventLog {
 public:
  virtual ~EventLog() = default;

  // Gives each event its position in its channel, in order. `now` is when it arrived.
  virtual Result<std::vector<event::Position>> append(const std::vector<event::Event>& events,
                                                      const std::vector<Note>& notes,
                                                      Instant now) = 0;

  virtual Page read(event::Channel channel, event::Position after, std::size_t limit) const = 0;
  // The last position that arrived before `since`: read after it for all that came from then on.
  virtual event::Position before(event::Channel channel, Instant since) const = 0;
  virtual event::Position last(event::Channel channel) const = 0;
  virtual event::Position first(event::Channel channel) const = 0;
  // The events of a task, oldest first, of all channels.
  virtual std::vector<std::string> task(std::string_view task, std::size_t limit) const = 0;
  // The newest `state` event of every prefix.
  virtual void newest_states(const std::function<void(std::string_view event)>& take) const = 0;

  virtual std::optional<std::string> note(std::string_view key) const = 0;
  virtual void notes(
      std::string_view prefix,
      const std::function<void(std::string_view key, std::string_view bytes)>& take) const = 0;

  // Drops what arrived before `before`, except the newest state of each prefix; at most `limit`
  // events per call. Returns how many went.
  virtual std::size_t trim(Instant before, std::size_t limit) = 0;

  // Random, made with the log: positions mean something only together with it.
  virtual const std::string& id() const = 0;
  virtual std::uint64_t unreadable() const = 0;
};

}  // namespace isochrone::collector
