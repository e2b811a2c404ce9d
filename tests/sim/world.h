// SPDX-License-Identifier: Apache-2.0
//
// World: a collector's core in virtual time, with probers, heartbeats and demand that cost no wait.
//
// Everything comes from one seed. Events are durable as soon as they are admitted; what the core
// says is followed as a DNS node would, and not kept.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/random.h"
#include "collector/core.h"
#include "routing/state.h"

namespace isochrone::sim {

struct Shape {
  std::size_t sites = 8;
  std::size_t prefixes = 300;
  Seconds round{10};
  std::size_t prefixes_per_round = 300;  // each round measures the next so many, from every site
  unsigned samples = 1;                  // per path and round
  Seconds heartbeat{3};
  std::uint64_t seed = 1;
};

// What one probe of a path would see; absent when it is lost.
using Path = std::function<std::optional<Micros>(std::size_t site, std::size_t prefix)>;

class World {
 public:
  explicit World(const Shape& shape);

  // A quiet network: base RTTs drawn per path from 5 to 200 ms, exponential queueing noise on top.
  std::optional<Micros> quiet(std::size_t site, std::size_t prefix, Micros mean_noise);
  Micros base(std::size_t site, std::size_t prefix) const;
  void set_base(std::size_t site, std::size_t prefix, Micros rtt);
  std::size_t best(std::size_t prefix) const;

  // Runs until `until` after the start. `path` stands for the network.
  void run(Nanos until, const Path& path);

  // Each prober starts a new life, as after an upgrade.
  void restart_probers();
  // A site whose prober is silent sends neither heartbeats nor measurements.
  void silence(std::size_t site, bool is_silent) { silent_[site] = is_silent; }
  // Another source for the same paths: sees each path once per round through its own eyes.
  void add_source(std::string name, Path eyes);
  // DNS demand from so many prefixes per round, beginning at a number that moves on each round.
  void ask_from(std::size_t prefixes_per_round) { demand_ = prefixes_per_round; }
  // Measures a different set of prefixes from now on; the old ones lapse.
  void move_to(std::size_t first_prefix) { first_prefix_ = first_prefix; }

  Prefix prefix(std::size_t index) const;
  // The site the follower of `state` prefers; sites when none.
  std::size_t preferred(std::size_t prefix) const;
  std::uint64_t preference_changes() const { return preference_changes_; }
  std::uint64_t measured() const { return measured_; }
  const collector::Core& core() const { return core_; }
  const routing::PerformanceState& followed() const { return followed_; }
  Nanos elapsed() const { return now_ - start_; }

 private:
  void step(const Path& path);
  void measure(const Path& path);
  void beat();
  void ask();
  event::Event make(std::size_t source, event::Payload payload);
  void deliver(std::vector<event::Event> events);
  void follow();

  const Shape shape_;
  const Instant start_;
  const Seconds tick_{1};
  Instant now_;
  Random random_;
  collector::Core core_;
  routing::PerformanceState followed_;
  std::vector<Micros> base_;  // by prefix, then site
  std::vector<bool> silent_;
  struct Source {
    std::string name;
    std::uint64_t epoch = 1;
    std::uint64_t sequence = 0;
    Path eyes;
  };
  std::vector<Source> sources_;          // a prober per site, then those added
  std::vector<event::Event> held_back_;  // overtaken by the batch after it
  std::size_t next_prefix_ = 0;
  std::size_t first_prefix_ = 0;
  std::size_t demand_ = 0;
  std::size_t next_demand_ = 0;
  std::uint64_t asked_ = 0;
  event::Position last_ = 0;
  std::uint64_t preference_changes_ = 0;
  std::uint64_t measured_ = 0;
};

}  // namespace isochrone::sim
