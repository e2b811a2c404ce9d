// SPDX-License-Identifier: Apache-2.0
//
// Vocabulary: one event of each channel, with every field set to something telling.
#pragma once

#include <vector>

#include "event/event.h"

namespace isochrone::event::testing {

inline Prefix prefix_of(std::string_view text) { return Prefix::parse(text).value(); }
inline Address address_of(std::string_view text) { return Address::parse(text).value(); }
inline Instant instant_of(std::string_view text) { return parse_instant(text).value(); }

inline Event event_with(Payload payload) {
  return {{"prober-fra", 1'716'000'000'000'000, 7},
          instant_of("2024-05-01T12:00:00.000000Z"),
          "fra-1716-12",
          std::move(payload)};
}

inline Event a_measurement() {
  return event_with(
      Measurement{"fra", prefix_of("192.0.2.0/24"), routing::Method::icmp, Micros(20'123)});
}

inline Event a_lost_measurement() {
  return event_with(
      Measurement{"fra", prefix_of("2001:db8::/48"), routing::Method::tcp, std::nullopt});
}

inline Event a_demand() {
  return event_with(Demand{"www.example.com", prefix_of("198.51.100.0/24"),
                           address_of("2001:db8::53"), 42, Millis(5'000)});
}

inline Event a_health() {
  return event_with(
      Health{"fra", HealthStatus::draining, HealthOrigin::operators, "maintenance until noon"});
}

inline Event a_load() { return event_with(Load{"fra", 71'000, 120'000}); }

inline Event a_state() {
  routing::Estimate estimate;
  estimate.min = Micros(19'500);
  estimate.p50 = Micros(20'100);
  estimate.p90 = Micros(24'000);
  estimate.jitter = Micros(300);
  estimate.at = instant_of("2024-05-01T12:00:05.000000Z");
  estimate.samples = 12;
  estimate.loss_permille = 76;
  estimate.method = routing::Method::passive;
  estimate.aside = Micros(31'000);
  estimate.aside_answers = 2;
  State state{prefix_of("192.0.2.0/24"), 9, {{"fra", estimate}}, {{"www.example.com", "fra"}}};
  estimate.aside = Micros(0);
  estimate.aside_answers = 0;
  estimate.method = routing::Method::hop;
  state.views.push_back(
      {"fra", estimate, {Micros(-4'000), Micros(-3'900), Micros(-2'000), Micros(150), 40, 3}});
  return event_with(std::move(state));
}

inline Event a_target() {
  return event_with(Target{prefix_of("192.0.2.0/24"),
                           {address_of("192.0.2.1"), address_of("192.0.2.9")},
                           {"fra", "iad"},
                           Seconds(300),
                           17});
}

inline Event a_decision() {
  return event_with(
      DecisionSample{"www.example.com", prefix_of("192.0.2.0/24"), "fra", "measured", 24, 5'118});
}

inline Event a_decision_for_a_resolver() {
  DecisionSample decision{"www.example.com", prefix_of("192.0.2.0/24"), "fra", "measured", 26, 5};
  decision.resolver = address_of("192.0.2.53");
  decision.state_position = 1'234;
  decision.health_position = 0;
  return event_with(decision);
}

inline std::vector<Event> one_of_each() {
  return {a_measurement(),
          a_lost_measurement(),
          a_demand(),
          a_health(),
          a_load(),
          a_state(),
          a_target(),
          a_decision(),
          a_decision_for_a_resolver()};
}

}  // namespace isochrone::event::testing
