// SPDX-License-Identifier: Apache-2.0
//
// Poster and Follower: how every part talks to the collector, wherever that runs.
//
// Threads:   post() from any thread; each object has one thread of its own for its HTTP. Handlers
//            run on the Follower's thread: hand over to a loop with a Mailbox.
// Delivery:  at least once and in order per channel; ids make it exactly once. What is not
//            acknowledged is sent again, with growing pauses (100 ms to 5 s), for as long as it
//            fits the buffer. Of several collectors of one log one is used, until it does not answer
//            or has less of the log than was read: then the next.
// Limits:    kMaxBufferedEvents wait while the collector is away; then the oldest are dropped and
//            counted: a prober's newest news is worth more than its oldest.
// Stopping:  a Follower's destructor ends a poll in progress at once (a handler is waited for), a
//            Poster's waits up to a second for the last delivery.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/http_access.h"
#include "base/time.h"
#include "event/event.h"

namespace isochrone::event {

constexpr std::size_t kMaxBufferedEvents = 200'000;

class Poster {
 public:
  struct Stats {
    std::uint64_t posted = 0;  // accepted by post()
    std::uint64_t acknowledged = 0;
    std::uint64_t dropped = 0;   // buffer full
    std::uint64_t failures = 0;  // requests that had to be repeated
    std::uint64_t rejected = 0;  // refused by the collector for their content
  };

  // `epoch`: the start of this life in Unix microseconds.
  Poster(HttpAccess collector, std::string source, std::uint64_t epoch);
  // Tries for up to one second to deliver what waits.
  ~Poster();
  Poster(const Poster&) = delete;
  Poster& operator=(const Poster&) = delete;

  void post(Payload payload, Instant time, std::string task = {});
  Stats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Follower {
 public:
  struct Batch {
    std::string log_id;  // changes when the collector's log was replaced by another
    std::vector<StoredEvent> events;
    Position position = 0;   // resume after this one
    bool caught_up = false;  // nothing newer was in the log when this was read
  };

  // Follows `channel` from after `after`; `log_id` is the log that position belongs to, empty when
  // unknown. When the collector's log is another one, or shorter than `after`, following restarts
  // from its beginning: the first batch with the new log_id is the first of that log.
  // `handle` gets every page read, also an empty one (at the latest every 30 s): that is how a
  // follower of a quiet channel knows it is caught up. `connected` tells when the collector starts
  // or stops answering, and its first finding; always before the batch that showed it.
  Follower(HttpAccess collector, Channel channel, std::string log_id, Position after,
           std::function<void(Batch)> handle, std::function<void(bool)> connected = {});
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isochrone::event
