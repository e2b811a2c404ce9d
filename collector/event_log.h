// SPDX-License-Identifier: Apache-2.0
//
// EventLog: what was acknowledged, in the order it became durable, with its indexes.
//
// Threads:  append(), find() and trim() from one thread; everything that reads from any.
// Durable:  when append() returns a value, all of it is on disk, or none of it when it returns an
//           error: events, indexes and notes are one atomic write.
// Damage:   what cannot be read back is skipped and counted, the rest is kept.
// Contract: tests/collector/test_log_contract.cc; every implementation passes it.
#pragma once

#include <array>
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
  bool is_at_end = true;        // nothing more was stored when this was read
};

struct Found {
  event::Channel channel;
  StoredBytes stored;
};

// What a reader looks for; the indexes leave out most of what it does not, the reader the rest.
struct Only {
  std::string task;              // empty: any
  std::optional<Prefix> prefix;  // likewise
};

// What is kept of a channel: nothing that arrived longer ago, no more octets; 0 octets: any number.
struct Keep {
  Nanos age{24 * 3'600'000'000'000};
  std::uint64_t bytes = 0;
};
using Retention = std::array<Keep, event::kChannels>;  // by Channel
// A position of each channel, by Channel; 0: none.
using Firsts = std::array<event::Position, event::kChannels>;

// What somebody else appended to a log that collectors share.
struct Foreign {
  std::vector<event::Event> events;
  std::vector<event::Position> positions;
  std::vector<Note> notes;
};

struct Damage {
  std::uint64_t events = 0;      // positions whose event is lost; each counted once
  std::uint64_t repairs = 0;     // times that something had to be made anew when the log was opened
  bool has_lost_notes = false;   // since it was opened: notes may be older than the events
  bool has_lost_states = false;  // likewise the newest states
};

class EventLog {
 public:
  virtual ~EventLog() = default;

  // Gives each event its position in its channel, in order. `now` is when it arrived. Errc::invalid,
  // and nothing is appended, while there is something that catch_up() has not given yet; Errc::stale: what was
  // appended before is gone, open the log anew.
  virtual Result<std::vector<event::Position>> append(const std::vector<event::Event>& events,
                                                      const std::vector<Note>& notes,
                                                      Instant now) = 0;

  // What others appended since, each once, in the order of the log; its own appends are none of it.
  // A log that nobody else writes has nothing to give.
  virtual Result<std::vector<Foreign>> catch_up() { return std::vector<Foreign>{}; }

  // At most `limit` events after a position, in order. Of the state channel what is older than the
  // retention is left out unless it is the newest of its prefix.
  virtual Page read(event::Channel channel, event::Position after, std::size_t limit,
                    const Only& only = {}) const = 0;
  // The stored event that has this id; nothing when it is not kept any more.
  virtual std::optional<Found> find(const event::EventId& id) const = 0;
  // The last position that arrived before `since`: read after it for all that came from then on.
  virtual event::Position before(event::Channel channel, Instant since) const = 0;
  virtual event::Position last(event::Channel channel) const = 0;
  // The oldest position that is kept, apart from states that are the newest of their prefix.
  virtual event::Position first(event::Channel channel) const = 0;
  virtual std::uint64_t bytes(event::Channel channel) const = 0;
  // The newest `state` event of every prefix.
  virtual void newest_states(const std::function<void(std::string_view event)>& take) const = 0;

  virtual std::optional<std::string> note(std::string_view key) const = 0;
  virtual void notes(
      std::string_view prefix,
      const std::function<void(std::string_view key, std::string_view bytes)>& take) const = 0;

  // Drops what need not be kept, the oldest first, except the last event of each channel and the
  // newest state of each prefix; may stop after `limit` events. Returns how many went.
  virtual std::size_t trim(const Retention& keep, Instant now, std::size_t limit) = 0;

  // At most `most` events that were acknowledged here and that the log has lost since: to be appended again.
  // The oldest first; empty: none, or no more. settle() when all have been.
  virtual std::vector<event::Event> owed(std::size_t most) {
    static_cast<void>(most);
    return {};
  }
  virtual void settle() {}

  // Random, made with the log: positions mean something only together with it.
  virtual const std::string& id() const = 0;
  virtual Damage damage() const = 0;
};

}  // namespace isochrone::collector
