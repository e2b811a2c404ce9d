// SPDX-License-Identifier: Apache-2.0
//
// Intake: a posted body into events that may become facts, and what is wrong with the others.
//
// Threads:  pure functions; HTTP threads call them.
// Errors:   every event stands for itself: a bad one is rejected with its index and a reason.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "collector/options.h"
#include "event/event.h"
#include "event/gate.h"
#include "routing/topology.h"

namespace isochrone::collector {

// Why an event was refused; docs/formats.md says of each what a client does.
enum class Refusal : std::uint8_t {
  malformed,  // no event, or one that breaks a rule every event must satisfy
  truncated,  // the body ends inside it
  oversized,
  schema,     // needs a later version of the schema
  content,    // well-formed, but not of this deployment: unknown site, wrong time
  id_reused,  // its id is another event's
  sources,    // too many different sources
  forbidden,  // not for the token that it was posted with
  policy      // blocked by a policy of the configuration
};
constexpr std::size_t kRefusals = 9;
std::string_view to_string(Refusal why);
int status_of(Refusal why);  // of an answer to a batch that had nothing else

struct Rejected {
  std::size_t index = 0;  // in the batch, from 0
  std::size_t line = 0;   // of an NDJSON body, from 1; 0 for Protobuf
  Refusal why = Refusal::malformed;
  std::string error;
};

struct Batch {
  std::vector<event::Event> events;
  std::vector<std::size_t> indexes;  // of events, in the posted batch
  std::vector<std::size_t> lines;
  std::vector<Rejected> rejected;
};

// At most this many events in one body: what one fsync and one answer should carry. The rest is
// refused.
constexpr std::size_t kMaxBatchEvents = 100'000;

// What cannot be taken apart is refused from there on. An Error when the body has no event at all.
Result<Batch> decode_ndjson(std::string_view body, event::Channel channel);
Result<Batch> decode_protobuf(std::string_view body, event::Channel channel);

// What may not be taken from outside is moved to `rejected`: unknown sites and services, times far
// off the clock, impossible values. Addresses longer than a client network are cut to it.
void check_content(Batch& batch, const routing::Topology& topology, const Options& options,
                   Instant now);

// What is not the caller's to post is moved to `rejected`.
void check_caller(Batch& batch, const event::Caller& caller);

// What a policy blocks is moved to `rejected`, what one removes is taken out of the others.
void check_rules(Batch& batch, const EventRules& rules);

// The channels others may post to: state, target and decisions of ours are the collector's own.
bool may_post(event::Channel channel);

}  // namespace isochrone::collector
