// SPDX-License-Identifier: Apache-2.0
//
// The Protobuf half of codec.h, and the only file that knows Protobuf.
#include "event/codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "event.pb.h"
#include "event/check.h"

namespace isochrone::event {
namespace {

// Hostile batches must not be able to write to our standard error; failures come back as Errors.
void silence_library() {
  static const auto previous = google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(previous);
}

// ---- towards the message ----

void put(v1::Prefix& to, const Prefix& prefix);

std::string address_bytes(const Address& address) {
  const auto bytes = address.bytes();
  return {bytes.begin(), bytes.begin() + address.width() / 8};
}

void put(v1::Prefix& to, const Prefix& prefix) {
  to.set_address(address_bytes(prefix.address()));
  to.set_length(static_cast<std::uint32_t>(prefix.length()));
}

// Enums on the wire start at 1: 0 says that the sender said nothing.
template <class Wire, class Enum>
Wire to_wire(Enum value) {
  return static_cast<Wire>(static_cast<int>(value) + 1);
}

std::uint32_t to_wire(Micros micros) { return static_cast<std::uint32_t>(micros.count()); }

void put(v1::Event& to, const Measurement& measurement) {
  auto& message = *to.mutable_measurement();
  message.set_site(measurement.site);
  put(*message.mutable_prefix(), measurement.prefix);
  message.set_method(to_wire<v1::Method>(measurement.method));
  message.clear_rtt_us();
  if (measurement.rtt) message.set_rtt_us(to_wire(*measurement.rtt));
}

void put(v1::Event& to, const Demand& demand) {
  auto& message = *to.mutable_demand();
  message.set_service(demand.service);
  put(*message.mutable_prefix(), demand.prefix);
  message.set_resolver(address_bytes(demand.resolver));
  message.set_queries(demand.queries);
  message.set_interval_ms(static_cast<std::uint32_t>(demand.interval.count()));
}

void put(v1::Event& to, const Health& health) {
  auto& message = *to.mutable_health();
  message.set_site(health.site);
  message.set_status(to_wire<v1::HealthStatus>(health.status));
  message.set_origin(to_wire<v1::HealthOrigin>(health.origin));
  message.set_reason(health.reason);
}

void put(v1::Event& to, const Load& load) {
  auto& message = *to.mutable_load();
  message.set_site(load.site);
  message.set_offered(load.offered);
  message.set_capacity(load.capacity);
}

void put(v1::State::Path& to, const routing::Excess& more) {
  const auto wire = [](Micros time) { return static_cast<std::int32_t>(time.count()); };
  to.set_more_min_us(wire(more.min));
  to.set_more_p50_us(wire(more.p50));
  to.set_more_p90_us(wire(more.p90));
  to.set_more_jitter_us(wire(more.jitter));
  to.set_more_loss_permille(more.loss_permille);
  to.set_more_times(more.times);
}

void put(v1::State::Path& to, const State::Path& path) {
  const routing::Estimate& estimate = path.estimate;
  to.set_site(path.site);
  to.set_min_us(to_wire(estimate.min));
  to.set_p50_us(to_wire(estimate.p50));
  to.set_p90_us(to_wire(estimate.p90));
  to.set_jitter_us(to_wire(estimate.jitter));
  to.set_at_unix_nanos(unix_nanos(estimate.at));
  to.set_samples(estimate.samples);
  to.set_loss_permille(estimate.loss_permille);
  to.set_method(to_wire<v1::Method>(estimate.method));
  if (path.more != routing::Excess{}) put(to, path.more);
  if (estimate.aside_answers == 0) return;
  to.set_aside_us(to_wire(estimate.aside));
  to.set_aside_answers(estimate.aside_answers);
}

void put(v1::Event& to, const State& state) {
  auto& message = *to.mutable_state();
  put(*message.mutable_prefix(), state.prefix);
  message.set_version(state.version);
  message.clear_paths();
  message.clear_preferences();
  message.clear_views();
  for (const State::Path& path : state.paths) put(*message.add_paths(), path);
  for (const State::Path& view : state.views) put(*message.add_views(), view);
  for (const auto& [service, site] : state.preferences) {
    auto& preference = *message.add_preferences();
    preference.set_service(service);
    preference.set_site(site);
  }
}

void put(v1::Event& to, const Target& target) {
  auto& message = *to.mutable_target();
  put(*message.mutable_prefix(), target.prefix);
  message.clear_addresses();
  message.clear_sites();
  for (const Address& address : target.addresses) message.add_addresses(address_bytes(address));
  for (const std::string& site : target.sites) message.add_sites(site);
  message.set_lifetime_s(static_cast<std::uint32_t>(target.lifetime.count()));
  message.set_weight(target.weight);
}

void put(v1::Event& to, const DecisionSample& decision) {
  auto& message = *to.mutable_decision();
  message.set_service(decision.service);
  put(*message.mutable_prefix(), decision.prefix);
  message.set_site(decision.site);
  message.set_reason(decision.reason);
  message.set_scope(decision.scope);
  message.set_generation(decision.generation);
  if (decision.resolver) message.set_resolver(address_bytes(*decision.resolver));
  if (decision.state_position) message.set_state_position(*decision.state_position);
  if (decision.health_position) message.set_health_position(*decision.health_position);
}

// Fields that the message has and we do not know stay.
void fill(v1::Event& message, const Event& event) {
  auto& id = *message.mutable_id();
  id.set_source(event.id.source);
  id.set_epoch(event.id.epoch);
  id.set_sequence(event.id.sequence);
  message.set_time_unix_nanos(unix_nanos(event.time));
  message.set_task(event.task);
  std::visit([&](const auto& payload) { put(message, payload); }, event.payload);
}

v1::Event message_of(const Event& event) {
  v1::Event message;
  fill(message, event);
  return message;
}

// ---- from the message ----

// Takes values out of messages and remembers the first that does not fit ours.
class Taker {
 public:
  Address address(const std::string& bytes, std::string_view field) {
    const bool is_v4 = bytes.size() == 4;
    if (!is_v4 && bytes.size() != 16) refuse(field, "4 or 16 bytes");
    const Bytes leading(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    return Address::from_bytes(is_v4 ? Family::v4 : Family::v6, leading).value_or(Address());
  }
  Prefix prefix(const v1::Prefix& message) {
    const Address start = address(message.address(), "prefix.address");
    if (message.length() > static_cast<std::uint32_t>(start.width())) {
      refuse("prefix.length", "at most the width of the address: 32 or 128");
      return {};
    }
    const Prefix prefix(start, static_cast<int>(message.length()));
    if (prefix.address() != start) refuse("prefix.address", "zero from bit prefix.length on");
    return prefix;
  }
  // `last` is the highest value of the enum.
  template <class Enum>
  Enum one_of(int wire, Enum last, std::string_view field) {
    if (wire >= 1 && wire <= static_cast<int>(last) + 1) return static_cast<Enum>(wire - 1);
    refuse(field, "one of the values of its enum, not unspecified");
    return Enum{};
  }
  template <class Small>
  Small small(std::uint32_t wire, std::string_view field) {
    if (wire > std::numeric_limits<Small>::max()) refuse(field, "smaller");
    return static_cast<Small>(wire);
  }
  void refuse(std::string_view field, std::string_view should) {
    if (result_) {
      result_ = fail(Errc::invalid, fmt::format("field \"{}\": should be {}", field, should));
    }
  }
  Result<void> result() && { return std::move(result_); }

 private:
  Result<void> result_;
};

routing::Method take_method(Taker& taker, int wire, std::string_view field) {
  return taker.one_of(wire, routing::Method::beacon, field);
}

Measurement take(Taker& taker, const v1::Measurement& message) {
  Measurement measurement{message.site(), taker.prefix(message.prefix()),
                          take_method(taker, message.method(), "method"), std::nullopt};
  if (message.has_rtt_us()) measurement.rtt = Micros(message.rtt_us());
  return measurement;
}

Demand take(Taker& taker, const v1::Demand& message) {
  return {message.service(), taker.prefix(message.prefix()),
          taker.address(message.resolver(), "resolver"), message.queries(),
          Millis(message.interval_ms())};
}

Health take(Taker& taker, const v1::Health& message) {
  return {message.site(), taker.one_of(message.status(), HealthStatus::draining, "status"),
          taker.one_of(message.origin(), HealthOrigin::operators, "origin"), message.reason()};
}

Load take(Taker&, const v1::Load& message) {
  return {message.site(), message.offered(), message.capacity()};
}

State::Path take(Taker& taker, const v1::State::Path& path, const std::string& where) {
  routing::Estimate estimate;
  estimate.min = Micros(path.min_us());
  estimate.p50 = Micros(path.p50_us());
  estimate.p90 = Micros(path.p90_us());
  estimate.jitter = Micros(path.jitter_us());
  estimate.at = from_unix_nanos(path.at_unix_nanos());
  estimate.samples = path.samples();
  estimate.loss_permille =
      taker.small<std::uint16_t>(path.loss_permille(), where + "loss_permille");
  estimate.method = take_method(taker, path.method(), where + "method");
  estimate.aside = Micros(path.aside_us());
  estimate.aside_answers = taker.small<std::uint8_t>(path.aside_answers(), where + "aside_answers");
  const routing::Excess more{Micros(path.more_min_us()), Micros(path.more_p50_us()),
                             Micros(path.more_p90_us()), Micros(path.more_jitter_us()),
                             path.more_loss_permille(),  path.more_times()};
  return {path.site(), estimate, more};
}

State take(Taker& taker, const v1::State& message) {
  State state{taker.prefix(message.prefix()), message.version(), {}, {}};
  for (const auto& path : message.paths()) state.paths.push_back(take(taker, path, "paths[]."));
  for (const auto& view : message.views()) state.views.push_back(take(taker, view, "views[]."));
  for (const auto& preference : message.preferences()) {
    state.preferences.push_back({preference.service(), preference.site()});
  }
  return state;
}

Target take(Taker& taker, const v1::Target& message) {
  Target target;
  target.prefix = taker.prefix(message.prefix());
  for (const std::string& bytes : message.addresses()) {
    target.addresses.push_back(taker.address(bytes, "addresses[]"));
  }
  target.sites.assign(message.sites().begin(), message.sites().end());
  target.lifetime = Seconds(message.lifetime_s());
  target.weight = message.weight();
  return target;
}

DecisionSample take(Taker& taker, const v1::Decision& message) {
  DecisionSample decision{message.service(),
                          taker.prefix(message.prefix()),
                          message.site(),
                          message.reason(),
                          taker.small<std::uint8_t>(message.scope(), "scope"),
                          message.generation()};
  if (message.has_resolver()) decision.resolver = taker.address(message.resolver(), "resolver");
  if (message.has_state_position()) decision.state_position = message.state_position();
  if (message.has_health_position()) decision.health_position = message.health_position();
  return decision;
}

Payload take_payload(Taker& taker, const v1::Event& message) {
  switch (message.payload_case()) {
    case v1::Event::kMeasurement:
      return take(taker, message.measurement());
    case v1::Event::kDemand:
      return take(taker, message.demand());
    case v1::Event::kHealth:
      return take(taker, message.health());
    case v1::Event::kLoad:
      return take(taker, message.load());
    case v1::Event::kState:
      return take(taker, message.state());
    case v1::Event::kTarget:
      return take(taker, message.target());
    case v1::Event::kDecision:
      return take(taker, message.decision());
    case v1::Event::PAYLOAD_NOT_SET:
      break;
  }
  taker.refuse("payload", "set, to one that this version knows");
  return {};
}

Result<Event> event_of(const v1::Event& message) {
  Taker taker;
  if (message.schema() > kSchema) {
    return fail(Errc::not_found,
                fmt::format("field \"schema\": version {} is not known here, only up "
                            "to {}; the collector is older than its source",
                            message.schema(), kSchema));
  }
  Event event;
  event.id = {message.id().source(), message.id().epoch(), message.id().sequence()};
  event.time = from_unix_nanos(message.time_unix_nanos());
  event.task = message.task();
  event.payload = take_payload(taker, message);
  if (auto taken = std::move(taker).result(); !taken) return tl::unexpected(taken.error());
  if (auto checked = check(event); !checked) return tl::unexpected(checked.error());
  return event;
}

template <class Message>
Result<Message> parse(Bytes bytes, std::size_t limit, std::string_view type) {
  if (bytes.size() > limit) {
    return fail(Errc::limit, fmt::format("an event has at most {} bytes", kMaxEventBytes));
  }
  silence_library();
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(Errc::invalid, fmt::format("not a Protobuf message isochrone.v1.{}", type));
  }
  return message;
}

}  // namespace

std::string to_protobuf(const Event& event) { return message_of(event).SerializeAsString(); }

std::string to_protobuf(const Event& event, Bytes original) {
  auto message = parse<v1::Event>(original, kMaxEventBytes, "Event");
  if (!message) return to_protobuf(event);
  fill(*message, event);
  return message->SerializeAsString();
}

bool is_same_content(Bytes a, Bytes b) {
  if (std::equal(a.begin(), a.end(), b.begin(), b.end())) return true;
  auto first = parse<v1::Event>(a, kMaxEventBytes, "Event");
  auto second = parse<v1::Event>(b, kMaxEventBytes, "Event");
  if (!first || !second) return false;
  // Known fields come in the order of their numbers and unknown ones after them, as they came.
  for (auto* message : {&*first, &*second}) {
    if (message->schema() <= 1) message->clear_schema();
  }
  return first->SerializeAsString() == second->SerializeAsString();
}

Result<Event> from_protobuf(Bytes bytes) {
  const auto message = parse<v1::Event>(bytes, kMaxEventBytes, "Event");
  if (!message) return tl::unexpected(message.error());
  return event_of(*message);
}

Result<StoredEvent> stored_from_protobuf(Bytes bytes) {
  const auto message = parse<v1::StoredEvent>(bytes, kMaxStoredBytes, "StoredEvent");
  if (!message) return tl::unexpected(message.error());
  auto event = event_of(message->event());
  if (!event) return tl::unexpected(event.error());
  return StoredEvent{message->position(), std::move(*event)};
}

}  // namespace isochrone::event
