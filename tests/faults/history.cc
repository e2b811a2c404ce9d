// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/history.h"

#include <fmt/format.h>

namespace isochrone::test {

Findings& Findings::operator+=(const Findings& other) {
  rounds += other.rounds;
  acknowledged += other.acknowledged;
  lost += other.lost;
  twice += other.twice;
  altered += other.altered;
  states += other.states;
  hit += other.hit;
  untold += other.untold;
  incidents += other.incidents;
  return *this;
}

std::string Findings::to_string(std::string_view fault) const {
  return fmt::format(
      "{}: rounds {} acknowledged {} lost {} twice {} altered {} state {} hit {} untold {} "
      "incidents {}",
      fault, rounds, acknowledged, lost, twice, altered, states, hit, untold, incidents);
}

void History::posted(const std::vector<event::Event>& events) {
  known_.with([&](auto& known) {
    for (const event::Event& event : events) known.try_emplace(event.id, Known{event, false});
  });
}

void History::acknowledged(const std::vector<event::Event>& events) {
  known_.with([&](auto& known) {
    for (const event::Event& event : events) known.at(event.id).is_acknowledged = true;
  });
}

std::uint64_t History::acknowledged() const {
  return known_.with([](const auto& known) {
    std::uint64_t count = 0;
    for (const auto& [id, each] : known) count += each.is_acknowledged ? 1 : 0;
    return count;
  });
}

Findings History::compare(const std::vector<event::StoredEvent>& log) const {
  Findings found;
  found.rounds = 1;
  found.acknowledged = acknowledged();
  std::set<event::EventId> stored;
  known_.with([&](const auto& known) {
    for (const event::StoredEvent& each : log) {
      if (!stored.insert(each.event.id).second) ++found.twice;
      const auto posted = known.find(each.event.id);
      if (posted == known.end() || !(posted->second.event == each.event)) ++found.altered;
    }
  });
  found.lost = missing(log).size();
  return found;
}

Prefix History::network_of(const event::EventId& id) const {
  return known_.with([&](const auto& known) {
    return std::get<event::Measurement>(known.at(id).event.payload).prefix;
  });
}

std::set<event::EventId> History::missing(const std::vector<event::StoredEvent>& log) const {
  std::set<event::EventId> gone;
  known_.with([&](const auto& known) {
    for (const auto& [id, each] : known) {
      if (each.is_acknowledged) gone.insert(id);
    }
  });
  for (const event::StoredEvent& each : log) gone.erase(each.event.id);
  return gone;
}

}  // namespace isochrone::test
