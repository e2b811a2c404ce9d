// SPDX-License-Identifier: Apache-2.0
//
// Events from NDJSON: the reading half of codec.h's text form; one flat, strict object per event.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.h"
#include "event/check.h"
#include "event/codec.h"
#include "event/json_text.h"
#include "event/names.h"

namespace isochrone::event {
namespace {

using Json = nlohmann::json;

enum class Need : std::uint8_t { required, optional };

// Reads one JSON object field by field. The first failure is remembered where the caller says; a
// field that nobody asked for is a failure too, and the likeliest reason for another one missing.
class Fields {
 public:
  Fields(const Json& object, std::string where, Result<void>& result)
      : object_(object), where_(std::move(where)), result_(result) {
    if (!object_.is_object()) refuse("", "an object");
  }

  bool has(std::string_view name) { return find(name) != nullptr; }

  std::string text(std::string_view name, Need need = Need::required) {
    const Json* value = get(name, need, "a string");
    if (value == nullptr) return {};
    if (!value->is_string()) refuse(name, "a string");
    return value->is_string() ? value->get<std::string>() : std::string();
  }

  template <class Number = std::uint64_t>
  Number number(std::string_view name, Need need = Need::required, Number otherwise = {}) {
    using Limits = std::numeric_limits<Number>;
    const auto should = fmt::format("a whole number from {} to {}", Limits::min(), Limits::max());
    const Json* value = get(name, need, should);
    if (value == nullptr) return otherwise;
    if (value->is_number_unsigned() && std::in_range<Number>(value->get<std::uint64_t>())) {
      return static_cast<Number>(value->get<std::uint64_t>());
    }
    if (value->is_number_integer() && std::in_range<Number>(value->get<std::int64_t>())) {
      return static_cast<Number>(value->get<std::int64_t>());
    }
    refuse(name, should);
    return otherwise;
  }

  // A string that `parse` understands.
  template <class Parse>
  auto parsed(std::string_view name, Parse parse, std::string_view should) {
    const Json* value = get(name, Need::required, should);
    using Value = typename std::invoke_result_t<Parse, std::string_view>::value_type;
    if (value == nullptr) return Value{};
    auto found = value->is_string() ? parse(value->get_ref<const std::string&>()) : std::nullopt;
    if (!found) refuse(name, should);
    return found.value_or(Value{});
  }

  bool flag(std::string_view name) {
    const Json* value = find(name);
    if (value == nullptr) return false;
    if (!value->is_boolean()) refuse(name, "true or false");
    return value->is_boolean() && value->get<bool>();
  }

  // Calls `take` with each item of an array and the item's own path.
  void each(std::string_view name, Need need,
            const std::function<void(const Json&, std::string)>& take) {
    const Json* value = get(name, need, "an array");
    if (value == nullptr) return;
    if (!value->is_array()) return refuse(name, "an array");
    for (std::size_t i = 0; i < value->size(); ++i) {
      take((*value)[i], fmt::format("{}{}[{}]", where_, name, i));
    }
  }

  Fields object(std::string_view name) {
    static const Json kNothing = Json::object();
    const Json* value = get(name, Need::required, "an object");
    return {value == nullptr ? kNothing : *value, fmt::format("{}{}.", where_, name), result_};
  }

  void refuse(std::string_view name, std::string_view should) {
    if (!result_) return;
    result_ = fail(Errc::invalid, fmt::format("{}: should be {}", path(name), should));
  }

  // Every field that is present must have been asked for by now.
  void finish() {
    if (!object_.is_object()) return;
    for (const auto& [name, value] : object_.items()) {
      if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
      const std::string_view nearest = nearest_name(name, known_);
      const std::string hint =
          nearest.empty() ? std::string() : fmt::format("; did you mean \"{}\"?", nearest);
      result_ = fail(Errc::invalid, fmt::format("{}: is not known here{}", path(name), hint));
      return;
    }
  }

 private:
  const Json* find(std::string_view name) {
    known_.push_back(name);
    if (!object_.is_object()) return nullptr;
    const auto at = object_.find(name);
    return at == object_.end() || at->is_null() ? nullptr : &*at;
  }
  const Json* get(std::string_view name, Need need, std::string_view should) {
    const Json* value = find(name);
    if (value == nullptr && need == Need::required && result_) {
      result_ =
          fail(Errc::invalid, fmt::format("{}: is missing; should be {}", path(name), should));
    }
    return value;
  }
  std::string path(std::string_view name) const {
    if (name.empty() && where_.empty()) return "the event";
    std::string whole = where_ + std::string(name);
    if (whole.ends_with('.')) whole.pop_back();
    return fmt::format("field \"{}\"", whole.substr(0, 2 * kMaxNameBytes));
  }

  const Json& object_;
  const std::string where_;
  Result<void>& result_;
  std::vector<std::string_view> known_;
};

Prefix take_prefix(Fields& fields) {
  return fields.parsed("prefix", Prefix::parse,
                       "a prefix like \"192.0.2.0/24\" or \"2001:db8::/48\", no bit set past its "
                       "length");
}

constexpr std::string_view kTimeForm = "a UTC time like \"2024-05-01T12:00:00.000000Z\"";
constexpr std::string_view kMethodForm = "icmp, tcp, dns, hop, passive or beacon";

Payload take_measurement(Fields& fields) {
  Measurement measurement;
  measurement.site = fields.text("site");
  measurement.prefix = take_prefix(fields);
  measurement.method = fields.parsed("method", parse_method, kMethodForm);
  const bool is_lost = fields.flag("lost");
  const bool has_rtt = fields.has("rtt_us");
  if (has_rtt) measurement.rtt = Micros(fields.number<std::uint32_t>("rtt_us"));
  if (has_rtt == is_lost) {
    fields.refuse("rtt_us", "the round-trip time in microseconds, or absent with \"lost\": true");
  }
  return measurement;
}

Payload take_demand(Fields& fields) {
  Demand demand;
  demand.service = fields.text("service");
  demand.prefix = take_prefix(fields);
  demand.resolver = fields.parsed("resolver", Address::parse, "an IP address");
  demand.queries = fields.number<std::uint32_t>("queries");
  demand.interval = Millis(fields.number<std::uint32_t>("interval_ms"));
  return demand;
}

Payload take_health(Fields& fields) {
  Health health;
  health.site = fields.text("site");
  health.status = fields.parsed("status", parse_health_status, "up, down or draining");
  health.origin = fields.parsed("origin", parse_health_origin, "prober, collector or operator");
  health.reason = fields.text("reason", Need::optional);
  return health;
}

Payload take_load(Fields& fields) {
  return Load{fields.text("site"), fields.number("offered"), fields.number("capacity")};
}

State::Path take_path(Fields fields) {
  State::Path path;
  path.site = fields.text("site");
  path.estimate.min = Micros(fields.number<std::uint32_t>("min_us"));
  path.estimate.p50 = Micros(fields.number<std::uint32_t>("p50_us"));
  path.estimate.p90 = Micros(fields.number<std::uint32_t>("p90_us"));
  path.estimate.jitter = Micros(fields.number<std::uint32_t>("jitter_us"));
  path.estimate.at = fields.parsed("at", parse_instant, kTimeForm);
  path.estimate.samples = fields.number<std::uint32_t>("samples");
  path.estimate.loss_permille = fields.number<std::uint16_t>("loss_permille");
  path.estimate.method = fields.parsed("method", parse_method, kMethodForm);
  path.estimate.aside = Micros(fields.number<std::uint32_t>("aside_us", Need::optional));
  path.estimate.aside_answers = fields.number<std::uint8_t>("aside_answers", Need::optional);
  const auto more = [&](std::string_view name) {
    return fields.number<std::int32_t>(name, Need::optional);
  };
  path.more.min = Micros(more("more_min_us"));
  path.more.p50 = Micros(more("more_p50_us"));
  path.more.p90 = Micros(more("more_p90_us"));
  path.more.jitter = Micros(more("more_jitter_us"));
  path.more.loss_permille = more("more_loss_permille");
  path.more.times = fields.number<std::uint32_t>("more_times", Need::optional);
  fields.finish();
  return path;
}

State::Preference take_preference(Fields fields) {
  State::Preference preference;
  preference.service = fields.text("service");
  preference.site = fields.text("site");
  fields.finish();
  return preference;
}

Payload take_state(Fields& fields, Result<void>& result) {
  State state;
  state.prefix = take_prefix(fields);
  state.version = fields.number("version");
  const auto into = [&](std::vector<State::Path>& paths) {
    return [&](const Json& item, std::string where) {
      paths.push_back(take_path(Fields(item, std::move(where) + ".", result)));
    };
  };
  fields.each("paths", Need::required, into(state.paths));
  fields.each("views", Need::optional, into(state.views));
  fields.each("preferences", Need::optional, [&](const Json& item, std::string where) {
    state.preferences.push_back(take_preference(Fields(item, std::move(where) + ".", result)));
  });
  return state;
}

Payload take_target(Fields& fields) {
  Target target;
  target.prefix = take_prefix(fields);
  fields.each("addresses", Need::required, [&](const Json& item, const std::string&) {
    const auto address =
        item.is_string() ? Address::parse(item.get_ref<const std::string&>()) : std::nullopt;
    if (!address) fields.refuse("addresses", "an array of IP addresses");
    target.addresses.push_back(address.value_or(Address()));
  });
  fields.each("sites", Need::optional, [&](const Json& item, const std::string&) {
    if (!item.is_string()) fields.refuse("sites", "an array of strings");
    target.sites.push_back(item.is_string() ? item.get<std::string>() : std::string());
  });
  target.lifetime = Seconds(fields.number<std::uint32_t>("lifetime_s"));
  target.weight = fields.number<std::uint32_t>("weight", Need::optional, 1);
  return target;
}

Payload take_decision(Fields& fields) {
  DecisionSample decision{fields.text("service"),
                          take_prefix(fields),
                          fields.text("site"),
                          fields.text("reason"),
                          fields.number<std::uint8_t>("scope"),
                          fields.number("generation")};
  if (fields.has("resolver")) {
    decision.resolver = fields.parsed("resolver", Address::parse, "an IP address");
  }
  if (fields.has("state_position")) decision.state_position = fields.number("state_position");
  if (fields.has("health_position")) decision.health_position = fields.number("health_position");
  return decision;
}

Payload take_payload(Fields& fields, Channel channel, Result<void>& result) {
  switch (channel) {
    case Channel::measurement:
      return take_measurement(fields);
    case Channel::demand:
      return take_demand(fields);
    case Channel::health:
      return take_health(fields);
    case Channel::load:
      return take_load(fields);
    case Channel::state:
      return take_state(fields, result);
    case Channel::target:
      return take_target(fields);
    case Channel::decision:
      break;
  }
  return take_decision(fields);
}

constexpr std::string_view kChannelForm =
    "measurement, demand, health, load, state, target or decision";

// The channel the line names; `posted_to`, when there is one, is the only right one and the
// default.
Channel take_channel(Fields& fields, std::optional<Channel> posted_to) {
  if (posted_to && !fields.has("channel")) return *posted_to;
  const Channel channel = fields.parsed("channel", parse_channel, kChannelForm);
  if (posted_to && channel != *posted_to) {
    fields.refuse("channel", fmt::format("\"{}\", which it is posted to", to_string(*posted_to)));
  }
  return channel;
}

EventId take_id(Fields& fields, const EventId* otherwise) {
  if (otherwise != nullptr && !fields.has("id")) return *otherwise;
  Fields id_fields = fields.object("id");
  EventId id;
  id.source = id_fields.text("source");
  id.epoch = id_fields.number("epoch");
  id.sequence = id_fields.number("sequence");
  id_fields.finish();
  return id;
}

Event take_event(Fields& fields, std::optional<Channel> posted_to, const EventId* otherwise,
                 Result<void>& result) {
  const Channel channel = take_channel(fields, posted_to);
  const auto schema = fields.number<std::uint32_t>("schema", Need::optional, kSchema);
  if (schema > kSchema && result) {
    result =
        fail(Errc::not_found, fmt::format("field \"schema\": version {} is not known here, only "
                                          "up to {}; the collector is older than its source",
                                          schema, kSchema));
  }
  Event event;
  event.id = take_id(fields, otherwise);
  event.time = fields.parsed("time", parse_instant, kTimeForm);
  event.task = fields.text("task", Need::optional);
  event.payload = take_payload(fields, channel, result);
  fields.finish();
  if (result) result = check(event);
  return event;
}

}  // namespace

Result<Event> from_json(std::string_view line, Channel channel, const EventId* otherwise) {
  const auto json = parse_json_text(line);
  if (!json) return tl::unexpected(json.error());
  Result<void> result;
  Fields fields(*json, "", result);
  Event event = take_event(fields, channel, otherwise, result);
  if (!result) return tl::unexpected(result.error());
  return event;
}

Result<StoredEvent> stored_from_json(std::string_view line) {
  const auto json = parse_json_text(line);
  if (!json) return tl::unexpected(json.error());
  Result<void> result;
  Fields fields(*json, "", result);
  StoredEvent stored;
  stored.position = fields.number<Position>("position");
  stored.event = take_event(fields, std::nullopt, nullptr, result);
  if (!result) return tl::unexpected(result.error());
  return stored;
}

}  // namespace isochrone::event
