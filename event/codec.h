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
Result<Event> from_protobuf(Bytes bytes);
// One message `isochrone.v1.StoredEvent`.
Result<StoredEvent> stored_from_protobuf(Bytes bytes);

// A batch: length-delimited messages (each preceded by its size as a varint), of Events towards the
// collector and of StoredEvents from it. The last form takes an Event serialized before.
void append_delimited(std::string& batch, const Event& event);
void append_delimited(std::string& batch, const StoredEvent& stored);
void append_delimited(std::string& batch, Position position, Bytes event);
// Takes the next message's bytes off the front of `batch`; an Error when it is cut short or
// oversized.
Result<Bytes> next_delimited(Bytes& batch);

}  // namespace isochrone::event
