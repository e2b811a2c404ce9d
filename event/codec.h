// SPDX-License-Identifier: Apache-2.0
//
// Codec: events to and from NDJSON and Protobuf, both documented in docs/formats.md.
//
// Limits:  kMaxEventBytes per event; a longer one is refused before it is parsed.
// Errors:  all or nothing per event; the Error says which field and what it should be.
// Cost:    Protobuf is what moves between our own parts; NDJSON is for people and scripts.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "event/event.h"

namespace isochrone::event {

// A state event of 64 sites and 16 services is about 8 KiB; four times that is an accident.
constexpr std::size_t kMaxEventBytes = 32 * 1024;
// What StoredEvent adds to an event: two tags, a position and a length of at most 10 bytes each.
constexpr std::size_t kMaxStoredBytes = kMaxEventBytes + 22;

// The version of event.proto that this code knows. An event that says it needs a later one is
// refused; one that merely has fields from a later one is kept with them.
constexpr std::uint32_t kSchema = 1;

// One JSON object without a line end. Every event carries "channel"; times have microseconds.
std::string to_json(const Event& event);
// `channel` is what the line is posted to: a line that names another one is refused; one that names
// none is taken as it. A line without an id is refused unless `otherwise` gives it one.
Result<Event> from_json(std::string_view line, Channel channel, const EventId* otherwise = nullptr);
// As to_json() with the "position" first: what GET .../events returns.
std::string to_json(const StoredEvent& stored);
Result<StoredEvent> stored_from_json(std::string_view line);

// One serialized Protobuf message `isochrone.v1.Event` (event/event.proto).
std::string to_protobuf(const Event& event);
// With the fields of `original` that this version does not know.
std::string to_protobuf(const Event& event, Bytes original);
// Event::bytes of the result is empty: who needs them has them.
Result<Event> from_protobuf(Bytes bytes);
// As it is to be stored: as it was received, or made.
inline std::string stored_form(const Event& event) {
  return event.bytes.empty() ? to_protobuf(event) : event.bytes;
}
// Whether two serialized events say the same, unknown fields included, however they were written.
bool is_same_content(Bytes a, Bytes b);
// One message `isochrone.v1.StoredEvent`.
Result<StoredEvent> stored_from_protobuf(Bytes bytes);

// A batch: length-delimited messages (each preceded by its size as a varint), of Events towards the
// collector and of StoredEvents from it. The last form takes an Event serialized before.
void append_delimited(std::string& batch, const Event& event);
void append_delimited(std::string& batch, const StoredEvent& stored);
void append_delimited(std::string& batch, Position position, Bytes event);
// Takes the next message's bytes off the front of `batch`. An Error when it is oversized (limit), and
// then it is taken off all the same if it ends within the batch; or cut short, and then nothing of
// the batch is left.
Result<Bytes> next_delimited(Bytes& batch);

}  // namespace isochrone::event
