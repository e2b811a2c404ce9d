// SPDX-License-Identifier: Apache-2.0
//
// StateFollower: follows the collector and publishes what it learns as snapshots.
//
// Threads:  one thread owns state, compiling and publishing; a second writes the snapshot file, so
//           that a slow disk delays no news. Every member may be called from any thread.
// Timing:   performance: compiled at most every 100 ms and for at most a quarter of the time. Health:
//           published at once, the table stays. File: at most once a second.
// Failures: without a collector, snapshots stay as they are, for ever; the file cannot be written:
//           said once, tried again.
#pragma once

#include <memory>

#include "base/guarded.h"
#include "base/published.h"
#include "base/time.h"
#include "dns/demand_table.h"
#include "dns/node_state.h"
#include "dns/snapshot.h"
#include "dns/snapshot_compiler.h"
#include "dns/task_thread.h"
#include "event/client.h"

namespace isochrone::dns {

class StateFollower {
 public:
  struct Status {
    std::uint64_t generation = 0;
    std::uint64_t table_generation = 0;
    std::size_t prefixes = 0;  // of which something is known
    std::size_t table_bytes = 0;
    Instant newest_state{};
    Instant changed_at{};    // when the last snapshot was published
    Micros compile_time{0};  // of the last table
    std::uint64_t compilations = 0;
    bool is_connected = false;  // to the collector, by what its followers found last
    ChannelPosition state_position;
    ChannelPosition health_position;
    Instant saved_at{};  // when the snapshot file was last written; the epoch: never
    std::uint64_t saved_generation = 0;  // what it holds: a restart now would answer like this one
    std::uint64_t save_failures = 0;
    event::Poster::Stats posted;
  };

  // `published` holds the snapshot built from `inputs` and `state` and outlives this. The snapshot
  // file is written only while `owns_file`: not while another process does.
  StateFollower(BuildInputs inputs, NodeState state, Published<Snapshot>& published,
                bool owns_file);
  // Writes the snapshot file one last time when it is not up to date.
  ~StateFollower();

  // Publishes a snapshot of the new inputs before it returns.
  void reload(BuildInputs inputs);
  // Publishes newer signatures; those of other zones than the current ones are dropped.
  void take(std::shared_ptr<const SignedZones> signatures);
  void report(DemandReport report);
  void set_owns_file(bool owns_file);
  // Writes the snapshot file when it is not up to date, and waits for that.
  void save();
  Status status() const {
    return status_.with([](const Status& now) { return now; });
  }

 private:
  class Builder;
  Guarded<Status> status_;
  TaskThread thread_;
  std::unique_ptr<Builder> builder_;  // lives in the thread
};

}  // namespace isochrone::dns
