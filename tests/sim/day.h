// SPDX-License-Identifier: Apache-2.0
//
// Day: a collector with its real log, and DNS nodes that follow it, in virtual time.
//
// Everything comes from one seed. Paths wander and jump, sites fall silent and are drained, nodes lag, lose the
// collector and restart from their snapshots; the collector restarts too. Nodes answer from what they compiled,
// and post a sample of it as workers and their builder do.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "collector/core.h"
#include "collector/event_log.h"
#include "dns/answered_with.h"
#include "dns/demand_table.h"
#include "dns/node_state.h"
#include "dns/snapshot_compiler.h"

namespace isochrone::sim {

// One DNS node.
class Node {
 public:
  Node(std::string name, std::shared_ptr<const routing::Topology> topology);

  // Reads at most `limit` events of each channel; compiles when that changed anything.
  void follow(const collector::EventLog& log, std::size_t limit, Instant now);
  // As after a crash: from what was on disk, with that file as old as it is.
  void save();
  void restart(Instant now);
  // What the node answers, kept until report().
  void ask(routing::ServiceId service, const Address& client, const Prefix& network,
           bool is_resolver);
  // Samples of what was asked, as events; those that cannot be told any more are lost.
  std::vector<event::Event> report(Instant now);

 private:
  void publish(std::shared_ptr<dns::Snapshot> next, const std::map<Prefix, bool>& changed,
               Instant now);

  std::string name_;
  dns::BuildInputs inputs_;
  dns::NodeState state_;
  dns::SnapshotCompiler compiler_;
  dns::AnsweredWith answered_with_;
  std::shared_ptr<const dns::Snapshot> current_;
  std::vector<dns::DecisionCount> asked_;
  std::vector<std::uint8_t> file_;
  std::uint64_t epoch_ = 1;
  std::uint64_t sequence_ = 0;
};

class Day {
 public:
  struct Shape {
    std::size_t networks = 40;
    Seconds round{60};
    Seconds sample{600};  // each node is asked so often
    std::uint64_t seed = 1;
  };

  Day(const Shape& shape, std::unique_ptr<collector::EventLog> log);

  void run(Nanos until);

  const collector::EventLog& log() const { return *log_; }
  collector::EventLog& log() { return *log_; }
  const collector::Options& options() const { return options_; }
  const routing::Topology& topology() const { return *topology_; }
  const std::vector<collector::SiteHealth::Site>& health() const { return core_->health().sites(); }
  Instant now() const { return now_; }
  std::uint64_t asked() const { return asked_; }

 private:
  void step();
  void happen();
  void measure();
  void beat();
  void ask(Node& node);
  void post(const std::vector<event::Event>& events);
  void flush();
  void restart_collector();
  Prefix network(std::size_t index) const;
  event::Event make(const std::string& source, event::Payload payload);

  const Shape shape_;
  const collector::Options options_;
  std::shared_ptr<const routing::Topology> topology_;
  std::unique_ptr<collector::EventLog> log_;
  std::unique_ptr<collector::Core> core_;
  Random random_;
  const Instant start_;
  Instant now_;
  std::vector<Micros> base_;  // by network, then site
  std::vector<bool> silent_;  // by site
  std::deque<Node> nodes_;    // which do not move
  std::size_t cut_off_ =
      0;  // of the nodes, one that does not reach the collector; their number: none
  std::uint64_t epoch_ = 1;
  std::uint64_t sequence_ = 0;
  std::uint64_t asked_ = 0;
};

}  // namespace isochrone::sim
