// SPDX-License-Identifier: Apache-2.0
#include "collector/intake.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/text.h"
#include "event/codec.h"

namespace isochrone::collector {
namespace {

// A clock that is a minute ahead is wrong; its events would wait in windows that never close.
constexpr Seconds kMaxAhead{60};

template <class Named>
std::string unknown(std::string_view kind, std::string_view name, const std::vector<Named>& known) {
  std::vector<std::string_view> names;
  for (const Named& one : known) names.push_back(one.name);
  const std::string_view nearest = nearest_name(name, names);
  return nearest.empty()
             ? fmt::format("unknown {} \"{}\"", kind, name)
             : fmt::format("unknown {} \"{}\"; did you mean \"{}\"?", kind, name, nearest);
}

Bytes as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// What is wrong with an event, beyond its form; nothing when it may be taken.
class ContentCheck {
 public:
  ContentCheck(const routing::Topology& topology, const Options& options, Instant now)
      : topology_(topology), options_(options), now_(now) {}

  std::optional<std::string> operator()(event::Event& event) {
    if (event.time > now_ + kMaxAhead) {
      return fmt::format("time {} is in the future", format_instant(event.time));
    }
    if (event.time + options_.retention < now_) {
      return fmt::format("time {} is older than what is kept ({})", format_instant(event.time),
                         format_duration(options_.retention));
    }
    is_cut_ = false;
    auto error = std::visit([&](auto& payload) { return check(payload); }, event.payload);
    if (is_cut_ && !event.bytes.empty())
      event.bytes = event::to_protobuf(event, as_bytes(event.bytes));
    return error;
  }

 private:
  std::optional<std::string> site(const std::string& name) const {
    if (topology_.find_site(name)) return std::nullopt;
    return unknown("site", name, topology_.sites);
  }
  bool is_site_address(const Prefix& prefix) const {
    if (prefix.length() < prefix.address().width()) return false;
    return std::any_of(topology_.sites.begin(), topology_.sites.end(), [&](const auto& known) {
      return std::find(known.addresses.begin(), known.addresses.end(), prefix.address()) !=
             known.addresses.end();
    });
  }
  void truncate(Prefix& prefix) {
    const Prefix network = client_network(prefix.address());
    if (prefix.length() <= network.length()) return;
    prefix = network;
    is_cut_ = true;
  }

  std::optional<std::string> check(event::Measurement& measurement) {
    if (measurement.rtt && measurement.rtt->count() == 0) return "rtt_us is 0: nothing is so near";
    // A site's own address is nobody's secret: sites measure each other by it.
    if (!is_site_address(measurement.prefix)) truncate(measurement.prefix);
    return site(measurement.site);
  }
  std::optional<std::string> check(event::Demand& demand) {
    truncate(demand.prefix);
    if (topology_.find_service(demand.service)) return std::nullopt;
    // What a beacon's task looked up, so that its resolver is known.
    if (!demand.service.empty() && demand.service == options_.beacon.zone) return std::nullopt;
    return unknown("service", demand.service, topology_.services);
  }
  std::optional<std::string> check(const event::Health& health) const {
    if (health.origin == event::HealthOrigin::collector) {
      return "origin collector is the collector's own verdict; post as operator";
    }
    return site(health.site);
  }
  std::optional<std::string> check(const event::Load& load) const { return site(load.site); }
  std::optional<std::string> check(event::DecisionSample& decision) {
    truncate(decision.prefix);
    return site(decision.site);
  }
  std::optional<std::string> check(const event::State&) const { return "state is the collector's"; }
  std::optional<std::string> check(const event::Target&) const {
    return "targets are the collector's";
  }

  const routing::Topology& topology_;
  const Options& options_;
  Instant now_;
  bool is_cut_ = false;  // the event at hand was not stored as it came
};

Refusal refusal_of(const Error& error) {
  if (error.code() == Errc::limit) return Refusal::oversized;
  if (error.code() == Errc::not_found) return Refusal::schema;
  return Refusal::malformed;
}

// Whether the batch is full; then the event at `index` and all after it are refused as one.
bool is_full(Batch& batch, std::size_t index, std::size_t line) {
  if (index < kMaxBatchEvents) return false;
  batch.rejected.push_back({index, line, Refusal::oversized,
                            fmt::format("a batch has at most {} events; from this one on nothing "
                                        "was looked at",
                                        kMaxBatchEvents)});
  return true;
}

void take(Batch& batch, Result<event::Event> event, std::size_t index, std::size_t line) {
  if (!event) {
    batch.rejected.push_back({index, line, refusal_of(event.error()), event.error().text()});
    return;
  }
  batch.events.push_back(std::move(*event));
  batch.indexes.push_back(index);
  batch.lines.push_back(line);
}

// Moves what `objection` finds fault with to `rejected`.
template <class F>
void sift(Batch& batch, Refusal why, F objection) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < batch.events.size(); ++i) {
    if (auto error = objection(batch.events[i])) {
      batch.rejected.push_back({batch.indexes[i], batch.lines[i], why, std::move(*error)});
      continue;
    }
    if (kept != i) {
      batch.events[kept] = std::move(batch.events[i]);
      batch.indexes[kept] = batch.indexes[i];
      batch.lines[kept] = batch.lines[i];
    }
    ++kept;
  }
  batch.events.resize(kept);
  batch.indexes.resize(kept);
  batch.lines.resize(kept);
  std::sort(batch.rejected.begin(), batch.rejected.end(),
            [](const Rejected& a, const Rejected& b) { return a.index < b.index; });
}

}  // namespace

std::string_view to_string(Refusal why) {
  constexpr std::array<std::string_view, kRefusals> kNames{"malformed", "truncated", "oversized",
                                                           "schema",    "content",   "id-reused",
                                                           "sources",   "forbidden", "policy"};
  return kNames[static_cast<std::size_t>(why)];
}

int status_of(Refusal why) {
  constexpr std::array<int, kRefusals> kStatus{400, 400, 413, 400, 422, 409, 429, 403, 403};
  return kStatus[static_cast<std::size_t>(why)];
}

Result<Batch> decode_ndjson(std::string_view body, event::Channel channel) {
  Batch batch;
  std::size_t index = 0;
  std::size_t number = 0;
  for (const std::string_view line : split(body, '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    if (is_full(batch, index, number)) break;
    take(batch, event::from_json(trim(line), channel), index++, number);
  }
  if (index == 0) return fail(Errc::invalid, "the body has no events; one JSON object per line");
  return batch;
}

Result<Batch> decode_protobuf(std::string_view body, event::Channel channel) {
  Batch batch;
  Bytes rest(reinterpret_cast<const std::uint8_t*>(body.data()), body.size());
  std::size_t index = 0;
  while (!rest.empty() && !is_full(batch, index, 0)) {
    const auto bytes = event::next_delimited(rest);
    if (!bytes) {
      const bool is_oversized = bytes.error().code() == Errc::limit;
      batch.rejected.push_back({index++, 0, is_oversized ? Refusal::oversized : Refusal::truncated,
                                bytes.error().text()});
      continue;
    }
    auto event = event::from_protobuf(*bytes);
    if (event && event->channel() != channel) {
      event = fail(Errc::invalid,
                   fmt::format("this is a {} event, posted to {}",
                               event::to_string(event->channel()), event::to_string(channel)));
    }
    if (event) {
      event->bytes.assign(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    }
    take(batch, std::move(event), index++, 0);
  }
  if (index == 0)
    return fail(Errc::invalid, "the body has no events; each is preceded by its size");
  return batch;
}

void check_content(Batch& batch, const routing::Topology& topology, const Options& options,
                   Instant now) {
  sift(batch, Refusal::content, ContentCheck(topology, options, now));
}

void check_caller(Batch& batch, const event::Caller& caller) {
  sift(batch, Refusal::forbidden,
       [&](const event::Event& event) { return caller.objection(event); });
}

void check_rules(Batch& batch, const EventRules& rules) {
  sift(batch, Refusal::policy, [&](event::Event& event) -> std::optional<std::string> {
    if (const auto policy = rules.blocks(event)) {
      return fmt::format("policy {} does not let this through", *policy);
    }
    if (rules.cut(event) && !event.bytes.empty()) {
      event.bytes = event::to_protobuf(event, as_bytes(event.bytes));
    }
    return std::nullopt;
  });
}

bool may_post(event::Channel channel) {
  return channel != event::Channel::state && channel != event::Channel::target;
}

}  // namespace isochrone::collector
