// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/world.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "event/convert.h"

namespace isochrone::sim {
namespace {

// One delivery in so many arrives after the next one, and one in so many arrives twice.
constexpr std::uint64_t kOvertaken = 20;
constexpr std::uint64_t kRepeated = 10;

routing::Topology topology_of(std::size_t sites) {
  routing::Topology topology;
  routing::Service service;
  service.name = "www.example.com";
  for (std::size_t i = 0; i < sites; ++i) {
    const auto octet = static_cast<std::uint8_t>(i + 1);
    topology.sites.push_back({"s" + std::to_string(i), {}, {Address::v4(192, 0, 2, octet)}});
    service.sites.emplace_back(static_cast<std::uint16_t>(i));
  }
  topology.services = {service};
  return topology;
}

collector::Options options_of(const Shape& shape) {
  collector::Options options;
  options.node_name = "sim";
  // Heartbeats are thinned, so silence takes as many of them as in the defaults.
  options.site_timeout = shape.heartbeat * 3;
  return options;
}

}  // namespace

World::World(const Shape& shape)
    : shape_(shape),
      start_(*parse_instant("2024-05-01T00:00:00Z")),
      now_(start_),
      random_(shape.seed),
      core_(options_of(shape), topology_of(shape.sites), 1),
      silent_(shape.sites, false) {
  base_.reserve(shape.prefixes * shape.sites);
  for (std::size_t i = 0; i < shape.prefixes * shape.sites; ++i) {
    base_.emplace_back(5'000 + static_cast<std::int64_t>(random_.below(195'000)));
  }
  for (std::size_t i = 0; i < shape.sites; ++i) {
    sources_.push_back({"prober-s" + std::to_string(i), 1, 0, {}});
  }
}

Prefix World::prefix(std::size_t index) const {
  const auto middle = static_cast<std::uint8_t>(index >> 8);
  return {Address::v4(10, middle, static_cast<std::uint8_t>(index), 0), 24};
}

Micros World::base(std::size_t site, std::size_t prefix) const {
  return base_[prefix % shape_.prefixes * shape_.sites + site];
}

void World::set_base(std::size_t site, std::size_t prefix, Micros rtt) {
  base_[prefix % shape_.prefixes * shape_.sites + site] = rtt;
}

std::size_t World::best(std::size_t prefix) const {
  std::size_t best = 0;
  for (std::size_t site = 1; site < shape_.sites; ++site) {
    if (base(site, prefix) < base(best, prefix)) best = site;
  }
  return best;
}

std::optional<Micros> World::quiet(std::size_t site, std::size_t prefix, Micros mean_noise) {
  const double noise = -std::log(1.0 - random_.unit()) * static_cast<double>(mean_noise.count());
  return base(site, prefix) + Micros(std::llround(noise));
}

void World::add_source(std::string name, Path eyes) {
  sources_.push_back({std::move(name), 1, 0, std::move(eyes)});
}

void World::restart_probers() {
  for (Source& source : sources_) {
    ++source.epoch;
    source.sequence = 0;
  }
}

std::size_t World::preferred(std::size_t index) const {
  const auto* known = followed_.find(prefix(index));
  const auto* site = known != nullptr ? known->preferred(routing::ServiceId(0)) : nullptr;
  return site != nullptr ? site->index() : shape_.sites;
}

void World::run(Nanos until, const Path& path) {
  while (now_ - start_ < until) step(path);
}

void World::step(const Path& path) {
  now_ += tick_;
  const auto second = std::chrono::duration_cast<Seconds>(now_ - start_);
  if (second % shape_.round == Seconds(0)) {
    measure(path);
    ask();
  }
  if (second % shape_.heartbeat == Seconds(0)) beat();
  core_.advance(now_);
  follow();
}

event::Event World::make(std::size_t source, event::Payload payload) {
  Source& from = sources_[source];
  return {{from.name, from.epoch, ++from.sequence}, now_, {}, std::move(payload)};
}

void World::measure(const Path& path) {
  std::vector<event::Event> batch;
  for (std::size_t n = 0; n < shape_.prefixes_per_round; ++n) {
    const std::size_t index = first_prefix_ + next_prefix_;
    next_prefix_ = (next_prefix_ + 1) % shape_.prefixes;
    for (std::size_t site = 0; site < shape_.sites; ++site) {
      if (silent_[site]) continue;
      event::Measurement seen{"s" + std::to_string(site), prefix(index), routing::Method::icmp, {}};
      for (unsigned i = 0; i < shape_.samples; ++i) {
        seen.rtt = path(site, index);
        batch.push_back(make(site, seen));
      }
      for (std::size_t other = shape_.sites; other < sources_.size(); ++other) {
        seen.rtt = sources_[other].eyes(site, index);
        batch.push_back(make(other, seen));
      }
    }
  }
  measured_ += batch.size();
  deliver(std::move(batch));
}

void World::beat() {
  std::vector<event::Event> batch;
  for (std::size_t site = 0; site < shape_.sites; ++site) {
    if (silent_[site]) continue;
    const event::Health up{
        "s" + std::to_string(site), event::HealthStatus::up, event::HealthOrigin::prober, {}};
    batch.push_back(make(site, up));
  }
  deliver(std::move(batch));
}

void World::ask() {
  std::vector<event::Event> batch;
  for (std::size_t n = 0; n < demand_; ++n) {
    next_demand_ = (next_demand_ + 1) % shape_.prefixes;
    event::Demand demand;
    demand.service = "www.example.com";
    demand.prefix = prefix(first_prefix_ + next_demand_);
    demand.resolver = Address::v4(198, 51, 100, 1);
    demand.queries = 5;
    demand.interval = Millis(5'000);
    batch.push_back({{"dns-ns1", 1, ++asked_}, now_, {}, demand});
  }
  deliver(std::move(batch));
}

// The core sees what a network makes of batches: some late, some twice; all within the lateness.
void World::deliver(std::vector<event::Event> events) {
  const auto hand_over = [&](const std::vector<event::Event>& batch) {
    auto admitted = core_.admit(batch, now_);
    std::vector<event::Position> positions;
    for (std::size_t i = 0; i < admitted.fresh.size(); ++i) positions.push_back(++last_);
    core_.apply(admitted.fresh, positions, now_);
  };
  if (events.empty()) return;
  const bool is_overtaken = held_back_.empty() && random_.below(kOvertaken) == 0;
  if (is_overtaken) {
    held_back_ = std::move(events);
    return;
  }
  hand_over(events);
  if (random_.below(kRepeated) == 0) hand_over(events);
  if (!held_back_.empty()) hand_over(std::exchange(held_back_, {}));
}

void World::follow() {
  for (const event::Event& event : core_.outbox().events) {
    const auto* state = std::get_if<event::State>(&event.payload);
    if (state == nullptr) continue;
    if (state->paths.empty()) {
      followed_.erase(state->prefix);
      continue;
    }
    auto next = event::from_event(*state, core_.topology());
    const auto* before = followed_.find(state->prefix);
    if (before != nullptr && before->preferences != next.preferences) ++preference_changes_;
    followed_.apply(std::move(next));
  }
  core_.outbox_is_durable();
}

}  // namespace isochrone::sim
