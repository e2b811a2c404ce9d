// SPDX-License-Identifier: Apache-2.0
//
// Follow: what a reader asks of a channel, and a page of it.
//
// Threads:  any.
// Limits:   kMaxPage events per answer, kMaxWait per long poll, kMaxFollowers waiting at once.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/http_server.h"
#include "base/result.h"
#include "base/time.h"
#include "collector/event_log.h"
#include "collector/policies.h"

namespace isochrone::collector {

constexpr std::size_t kMaxPage = 10'000;
constexpr Seconds kMaxWait{60};
constexpr std::size_t kMaxFollowers = 20'000;

enum class Encoding : std::uint8_t { ndjson, protobuf, server_sent };

// What a reader asks of a channel.
struct Read {
  event::Channel channel = event::Channel::measurement;
  event::Position after = 0;
  std::optional<Instant> since;
  std::size_t limit = 1'000;
  Nanos wait{0};
  Encoding encoding = Encoding::ndjson;
  std::string site;    // empty: any
  std::string prefix;  // likewise
  std::string task;    // likewise
  std::optional<event::EventId> after_event;
  std::optional<Instant> to;                // what arrived before it; nothing: whatever comes
  std::shared_ptr<const Filter> filter;     // null: all
  std::shared_ptr<const EventRules> rules;  // the operator's, for whoever reads; null: none

  bool is_filtered() const {
    return !(site.empty() && prefix.empty() && task.empty()) || filter || rules;
  }
};

// "SOURCE/EPOCH/SEQUENCE"; nothing when it is none.
std::optional<event::EventId> parse_id(std::string_view text);
Result<Read> parse_read(event::Channel channel, const HttpRequest& request, Instant now);
// Where it begins, when it is after an event; not_found when that is not kept.
Result<void> resolve(Read& read, const EventLog& log);

// Positions a reader asked for that are past the retention.
struct ReadGap {
  event::Position first = 0;
  event::Position last = 0;
};
// Nothing for a reader that begins, nor of the state channel: there the newest of each prefix is
// all that counts, and it is still there.
std::optional<ReadGap> gap_of(const EventLog& log, const Read& read);

struct ReadPage {
  std::string body;
  std::size_t events = 0;
  event::Position scanned = 0;
};
ReadPage read_page(const EventLog& log, const Read& read);
HttpResponse to_response(const EventLog& log, const Read& read, ReadPage page);

}  // namespace isochrone::collector
