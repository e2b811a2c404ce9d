// SPDX-License-Identifier: Apache-2.0
//
// Event: the immutable facts that move between the parts, one type per channel.
//
// Identity:  (source, epoch, sequence). A source is one producer (prober-fra, dns-ns1); an epoch is
//            one life of it (its start in Unix microseconds); the sequence counts from 1 within the
//            epoch. The same id is the same event: posting it again changes nothing.
// Units:     Instant for when it happened at its source, Micros for RTT.
// Limits:    names and tasks at most kMaxNameBytes; checked by the codec, the only way in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/ip.h"
#include "base/time.h"
#include "routing/estimate.h"

namespace isochrone::event {

// A host name is at most 253 octets in text form; nothing else we name is longer.
constexpr std::size_t kMaxNameBytes = 253;

struct EventId {
  std::string source;
  std::uint64_t epoch = 0, sequence = 0;
  friend auto operator<=>(const EventId&, const EventId&) = default;
};

// One observation of one path. Without an RTT the probe was lost.
struct Measurement {
  std::string site;
  Prefix prefix;  // the client network; addresses are truncated before they become events
  routing::Method method = routing::Method::icmp;
  std::optional<Micros> rtt;
  friend bool operator==(const Measurement&, const Measurement&) = default;
};

// Queries that one DNS node saw in the interval that ends at the event's time.
struct Demand {
  std::string service;
  Prefix prefix;  // the client network, from Client Subnet or else the resolver's own
  Address resolver;
  std::uint32_t queries = 0;
  Millis interval{0};
  friend bool operator==(const Demand&, const Demand&) = default;
};

enum class HealthStatus : std::uint8_t { up, down, draining };
// Who says so. An operator's word stands until the operator takes it back; a prober's `up` is its
// heartbeat; the collector's is the verdict it draws from heartbeats.
enum class HealthOrigin : std::uint8_t { prober, collector, operators };

struct Health {
  std::string site;
  HealthStatus status = HealthStatus::up;
  HealthOrigin origin = HealthOrigin::prober;
  std::string reason;
  friend bool operator==(const Health&, const Health&) = default;
};

struct Load {
  std::string site;
  std::uint64_t offered = 0;   // requests per second, or what the operator counts
  std::uint64_t capacity = 0;  // in the same unit
  friend bool operator==(const Load&, const Load&) = default;
};

// The performance state of one prefix after a change; by name: configurations differ for moments.
struct State {
  struct Path {
    std::string site;
    routing::Estimate estimate;
    routing::Excess more{};  // of a view
    friend bool operator==(const Path&, const Path&) = default;
  };
  struct Preference {
    std::string service, site;
    friend bool operator==(const Preference&, const Preference&) = default;
  };
  Prefix prefix;
  std::uint64_t version = 0;
  std::vector<Path> paths;  // empty: the prefix is no longer measured
  std::vector<Preference> preferences;
  std::vector<Path> views{};  // of one method each, where it says other than the path's estimate
  friend bool operator==(const State&, const State&) = default;
};

// What is worth measuring next.
struct Target {
  Prefix prefix;
  std::vector<Address> addresses;  // representatives, at least one
  std::vector<std::string> sites;  // empty: all
  Seconds lifetime{0};             // probe it in every round until then
  std::uint32_t weight = 1;        // queries per minute that asked for it
  friend bool operator==(const Target&, const Target&) = default;
};

// A sample of the answers given.
struct DecisionSample {
  std::string service;
  Prefix prefix;
  std::string site, reason;
  std::uint8_t scope = 0;
  std::uint64_t generation = 0;
  std::optional<Address> resolver{};  // who was answered, where rows are smaller than the network
  // The last events of these channels that the answer knew; none: not told.
  std::optional<std::uint64_t> state_position{}, health_position{};
  friend bool operator==(const DecisionSample&, const DecisionSample&) = default;
};

using Payload = std::variant<Measurement, Demand, Health, Load, State, Target, DecisionSample>;

// In the order of the Payload alternatives: a payload's index is its channel.
enum class Channel : std::uint8_t { measurement, demand, health, load, state, target, decision };
constexpr std::size_t kChannels = 7;
static_assert(std::variant_size_v<Payload> == kChannels);

std::string_view to_string(Channel channel);
std::optional<Channel> parse_channel(std::string_view name);

struct Event {
  EventId id;
  Instant time{};
  std::string task;  // the round or session it belongs to; may be empty
  Payload payload;
  // Its Protobuf form as received, unknown fields included; empty: to be made. Not compared.
  std::string bytes{};

  Channel channel() const noexcept { return static_cast<Channel>(payload.index()); }
  friend bool operator==(const Event& a, const Event& b) {
    return a.id == b.id && a.time == b.time && a.task == b.task && a.payload == b.payload;
  }
};

// Where an event lies in its channel's log: dense, from 1, in the order it was made durable.
using Position = std::uint64_t;

struct StoredEvent {
  Position position = 0;
  Event event;
  friend bool operator==(const StoredEvent&, const StoredEvent&) = default;
};

}  // namespace isochrone::event
