// SPDX-License-Identifier: Apache-2.0
#include "dns/follower.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/log.h"
#include "dns/answered_with.h"
#include "dns/decision_reason.h"
#include "dns/snapshot_file.h"

namespace isochrone::dns {
namespace {

constexpr Millis kMinCompileInterval{100};
constexpr int kCompileShare = 4;  // a compile that took t is followed by none for 3 t
constexpr Millis kSaveInterval{1'000};
constexpr int kSaveShare = 20;  // encoding the file takes at most a twentieth of the time
// Positions alone move with every heartbeat; reading a minute of them again costs nothing.
constexpr Seconds kPositionInterval{60};
constexpr Millis kDemandInterval{1'000};  // how often workers report

template <class T>
bool have_same_names(const std::vector<T>& a, const std::vector<T>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const T& x, const T& y) { return x.name == y.name; });
}

}  // namespace

// Everything here runs in the follower's thread.
class StateFollower::Builder {
 public:
  Builder(TaskThread& thread, Guarded<Status>& status, BuildInputs inputs, NodeState state,
          Published<Snapshot>& published, bool owns_file)
      : thread_(thread),
        status_(status),
        inputs_(std::move(inputs)),
        state_(std::move(state)),
        published_(published),
        owns_file_(owns_file),
        current_(published.current()),
        compile_timer_(thread.loop(), [this] { compile(); }),
        save_timer_(thread.loop(), [this] { tick(); }) {
    save_timer_.start(kSaveInterval, kSaveInterval);
    answered_with_.published(*current_, {}, thread.loop().now());
    tell_published();
    follow();
  }

  ~Builder() {
    *is_alive_ = false;
    *follow_life_ = false;  // batches that still wait in the thread's queue find nobody
    state_follower_.reset();
    health_follower_.reset();
    poster_.reset();
    save_if_stale();
  }

  void set_owns_file(bool owns_file) { owns_file_ = owns_file; }

  void save_if_stale() {
    writer_.reset();  // waits for a write in progress, and forgets one that has not begun
    if (is_writing_ || is_state_unsaved_ || is_position_unsaved_) save_now();
  }

  void reload(BuildInputs inputs) {
    const auto before = std::exchange(inputs_, std::move(inputs));
    const bool has_new_names =
        !have_same_names(before.topology->sites, inputs_.topology->sites) ||
        !have_same_names(before.topology->services, inputs_.topology->services);
    const bool must_follow_again = has_new_names || before.collector != inputs_.collector;
    if (must_follow_again) {
      state_follower_.reset();
      health_follower_.reset();
      drop_queued_batches();
    }
    if (before.collector != inputs_.collector) poster_.reset();
    if (has_new_names) state_.change_topology(*before.topology, *inputs_.topology);
    const bool routes_alike = before.topology == inputs_.topology && before.geo == inputs_.geo &&
                              before.wants_reasons == inputs_.wants_reasons;
    if (routes_alike) {  // another version of a zone
      publish_with_same_table();
    } else {
      compiler_.forget();
      answered_with_.forget();
      compile();
      is_state_unsaved_ = true;
    }
    if (must_follow_again) follow();
  }

  void take(std::shared_ptr<const SignedZones> signatures) {
    if (signatures->zones() != inputs_.zones) return;  // a reload was faster
    inputs_.signatures = std::move(signatures);
    publish_with_same_table();
  }

  void report(const DemandReport& report) {
    if (!poster_) return;
    const Instant now = thread_.loop().wall();
    for (const DemandCount& count : report.demand) {
      const auto& service = report.topology->services[count.service.index()];
      poster_->post(event::Demand{service.name, count.network, count.resolver, count.queries,
                                  kDemandInterval},
                    now);
    }
    for (const Sighting& seen : report.sightings) {
      poster_->post(event::Demand{report.beacon_zone, client_network(seen.resolver), seen.resolver,
                                  1, kDemandInterval},
                    now, event::beacon_task(seen.task));
    }
    if (report.topology != current_->topology) return;
    for (const DecisionCount& decision : report.decisions) {
      const auto by = answered_with_.find(decision.generation, decision.client, state_.changed);
      if (!by) continue;
      auto sample = decision_sample(*current_, state_, inputs_.geo.get(), decision, *by);
      if (sample) poster_->post(std::move(*sample), now);
    }
  }

 private:
  // Runs `task` here later, unless this is gone or `life` has ended by then.
  template <class F>
  void post(std::shared_ptr<bool> life, F task) {
    thread_.post([life = std::move(life), task = std::move(task)] {
      if (*life) task();
    });
  }

  void drop_queued_batches() {
    *follow_life_ = false;
    follow_life_ = std::make_shared<bool>(true);
  }

  void follow() {
    if (inputs_.collector.empty()) return;
    if (!poster_) {
      const auto epoch = static_cast<std::uint64_t>(unix_nanos(thread_.loop().wall()) / 1'000);
      poster_ = std::make_unique<event::Poster>(inputs_.collector, inputs_.source, epoch);
    }
    using Batch = event::Follower::Batch;
    const auto life = follow_life_;
    state_follower_.emplace(
        inputs_.collector, event::Channel::state, state_.state_position.log_id,
        state_.state_position.position,
        [this, life](const Batch& batch) { post(life, [this, batch] { on_state(batch); }); },
        [this, life](bool connected) {
          post(life, [this, connected] { on_connected(connected); });
        });
    health_follower_.emplace(
        inputs_.collector, event::Channel::health, state_.health_position.log_id,
        state_.health_position.position,
        [this, life](const Batch& batch) { post(life, [this, batch] { on_health(batch); }); });
  }

  void on_connected(bool connected) {
    if (connected == is_connected_) return;
    is_connected_ = connected;
    status_.with([&](Status& status) { status.is_connected = connected; });
    if (connected) {
      log_info(fmt::format("following the collector url={}", inputs_.collector.url));
    } else {
      log_warning(fmt::format("collector does not answer, answering from what is known url={}",
                              inputs_.collector.url));
    }
  }

  void on_state(const event::Follower::Batch& batch) {
    const bool has_changed = state_.apply_state(batch, *inputs_.topology);
    is_position_unsaved_ |= !batch.events.empty();
    is_state_unsaved_ |= has_changed;
    tell_positions();
    if (!has_changed || is_compile_due_) return;
    is_compile_due_ = true;
    const auto wait = std::max(next_compile_ - thread_.loop().now(), Nanos(0));
    compile_timer_.start(std::chrono::ceil<Millis>(wait));
  }

  void on_health(const event::Follower::Batch& batch) {
    const bool has_changed = state_.apply_health(batch, *inputs_.topology);
    is_position_unsaved_ |= !batch.events.empty();
    is_state_unsaved_ |= has_changed;
    tell_positions();
    const routing::SiteStates sites = state_.site_states(*inputs_.topology);
    const bool has_moved = sites.up != current_->sites.up ||
                           sites.draining != current_->sites.draining ||
                           sites.last_good != current_->sites.last_good;
    if (!has_changed || !has_moved) return;
    publish_with_same_table();
    // An old table costs a restarted node milliseconds; an old verdict names a dead site. So it is
    // written at once, not with the next interval.
    is_save_urgent_ = true;
    tick();
  }

  void publish_with_same_table() {
    publish(SnapshotCompiler::with_same_table(inputs_, state_, *current_));
  }

  void compile() {
    compile_timer_.stop();
    is_compile_due_ = false;
    const Monotonic start = thread_.loop().now();
    const auto changed = state_.changed;
    auto next = compiler_.compile(inputs_, state_, *current_);
    const Nanos took = thread_.loop().now() - start;
    next_compile_ = start + std::max<Nanos>(kMinCompileInterval, took * kCompileShare);
    status_.with([&](Status& status) {
      status.compile_time = std::chrono::duration_cast<Micros>(took);
      ++status.compilations;
    });
    publish(std::move(next), changed);
  }

  void publish(std::shared_ptr<Snapshot> next, const std::map<Prefix, bool>& changed = {}) {
    answered_with_.published(*next, changed, thread_.loop().now());
    current_ = next;
    published_.publish(std::move(next));
    tell_published();
  }

  void tell_published() {
    const Instant now = thread_.loop().wall();
    status_.with([&](Status& status) {
      status.generation = current_->generation;
      status.table_generation = current_->table->generation();
      status.table_bytes = current_->table->memory_bytes();
      status.prefixes = state_.performance.size();
      status.changed_at = now;
    });
    tell_positions();
  }

  void tell_positions() {
    status_.with([&](Status& status) {
      status.newest_state = state_.newest;
      status.state_position = state_.state_position;
      status.health_position = state_.health_position;
    });
  }

  void tick() {
    published_.retire();
    if (poster_) {
      status_.with([&](Status& status) { status.posted = poster_->stats(); });
    }
    const Monotonic now = thread_.loop().now();
    if (is_writing_ || !may_write()) return;
    const bool is_due = is_state_unsaved_ || (is_position_unsaved_ && now >= next_position_save_);
    if (is_save_urgent_ || (is_due && now >= next_save_)) save(now);
  }

  void save(Monotonic now) {
    auto bytes = encode_snapshot(state_, *inputs_.topology);
    const Nanos took = thread_.loop().now() - now;
    next_save_ = now + std::max<Nanos>(kSaveInterval - Millis(50), took * kSaveShare);
    next_position_save_ = now + kPositionInterval;
    is_position_unsaved_ = is_save_urgent_ = false;
    // What is about to be compiled is written now, but answered with the next generation: that is written then.
    is_state_unsaved_ = is_compile_due_;
    is_writing_ = true;
    if (!writer_) writer_ = std::make_unique<TaskThread>("dns-snapshot");
    writer_->post([this, file = inputs_.snapshot_file, bytes = std::move(bytes),
                   generation = current_->generation, life = is_alive_] {
      auto written = write_snapshot(file, bytes);
      post(life,
           [this, generation, written = std::move(written)] { on_saved(written, generation); });
    });
  }

  bool may_write() const { return owns_file_ && !inputs_.snapshot_file.empty(); }

  void save_now() {
    if (!may_write()) return;
    is_state_unsaved_ = is_position_unsaved_ = is_save_urgent_ = false;
    on_saved(write_snapshot(inputs_.snapshot_file, encode_snapshot(state_, *inputs_.topology)),
             current_->generation);
  }

  void on_saved(const Result<void>& written, std::uint64_t generation) {
    is_writing_ = false;
    const Instant now = thread_.loop().wall();
    status_.with([&](Status& status) {
      if (written) status.saved_at = now;
      if (written) status.saved_generation = generation;
      if (!written) ++status.save_failures;
    });
    if (written) {
      if (has_told_save_failure_) log_info("snapshot is written again");
      has_told_save_failure_ = false;
      if (is_save_urgent_) tick();  // a verdict came while the file was written
      return;
    }
    is_state_unsaved_ = true;  // tried again with the next tick
    if (!has_told_save_failure_) {
      log_error(
          fmt::format("snapshot not written, a restart now would answer from older state "
                      "reason=\"{}\"",
                      written.error().text()));
    }
    has_told_save_failure_ = true;
  }

  TaskThread& thread_;
  Guarded<Status>& status_;
  BuildInputs inputs_;
  NodeState state_;
  Published<Snapshot>& published_;
  bool owns_file_;
  std::shared_ptr<const Snapshot> current_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);     // read in this thread only
  std::shared_ptr<bool> follow_life_ = std::make_shared<bool>(true);  // of the followers in use

  SnapshotCompiler compiler_;
  AnsweredWith answered_with_;
  bool is_compile_due_ = false;
  Monotonic next_compile_{};
  Timer compile_timer_;
  Timer save_timer_;
  Monotonic next_save_{};
  Monotonic next_position_save_{};
  bool is_state_unsaved_ = false;
  bool is_position_unsaved_ = false;
  bool is_save_urgent_ = false;
  bool is_writing_ = false;
  bool has_told_save_failure_ = false;
  std::optional<bool> is_connected_;  // nothing was found yet
  std::unique_ptr<TaskThread> writer_;
  std::unique_ptr<event::Poster> poster_;
  std::optional<event::Follower> state_follower_;
  std::optional<event::Follower> health_follower_;
};

StateFollower::StateFollower(BuildInputs inputs, NodeState state, Published<Snapshot>& published,
                             bool owns_file)
    : thread_("dns-builder") {
  thread_.call([&] {
    builder_ = std::make_unique<Builder>(thread_, status_, std::move(inputs), std::move(state),
                                         published, owns_file);
  });
}

void StateFollower::set_owns_file(bool owns_file) {
  thread_.call([&] { builder_->set_owns_file(owns_file); });
}

void StateFollower::save() {
  thread_.call([&] { builder_->save_if_stale(); });
}

StateFollower::~StateFollower() {
  thread_.call([&] { builder_.reset(); });
}

void StateFollower::reload(BuildInputs inputs) {
  thread_.call([&] { builder_->reload(std::move(inputs)); });
}

void StateFollower::take(std::shared_ptr<const SignedZones> signatures) {
  thread_.post([this, signatures = std::move(signatures)] {
    if (builder_) builder_->take(signatures);
  });
}

void StateFollower::report(DemandReport report) {
  thread_.post([this, report = std::move(report)] {
    if (builder_) builder_->report(report);
  });
}

}  // namespace isochrone::dns
