// SPDX-License-Identifier: Apache-2.0
//
// Engine: the thread around the core: it makes durable, lets time pass, and answers.
//
// Threads:  submit() and ask() from any thread; everything else in the engine's own.
// Durable:  all batches that wait when the thread turns to them share one write and one fsync
//           (group commit); each is answered after it.
// Failures: a log that cannot write: posts get 503 and count for nothing, what the core says waits,
//           reading and answering go on; said once when it begins and once when it ends.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "base/counter.h"
#include "base/http_server.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "collector/age_doubt.h"
#include "collector/core.h"
#include "collector/event_log.h"
#include "collector/incidents.h"
#include "collector/intake.h"
#include "collector/readers.h"
#include "collector/shares.h"
#include "collector/task_table.h"
#include "routing/compile.h"
#include "routing/geo.h"

namespace isochrone::collector {

class Engine {
 public:
  Engine(Loop& loop, EventLog& log, const Options& options, const routing::Topology& topology,
         std::shared_ptr<const routing::GeoPrior> geo, Readers& readers);

  void submit(Batch batch, std::shared_ptr<HttpReplyLater> reply);
  // Runs in the engine's thread between two steps: a consistent look at everything.
  void ask(std::function<void(Engine&)> question);

  const Core& core() const noexcept { return core_; }
  const EventLog& log() const noexcept { return log_; }
  const Options& options() const noexcept { return options_; }
  const Readers& readers() const noexcept { return readers_; }
  const routing::GeoPrior* geo() const noexcept { return geo_.get(); }
  std::shared_ptr<const routing::GeoPrior> map() const noexcept { return geo_; }
  Instant now() const { return loop_.wall(); }
  Instant started_at() const noexcept { return started_at_; }
  // Compiled when asked for, not more often than its cost allows.
  const routing::RoutingTable& table();
  void reconfigure(const Options& options, const routing::Topology& topology,
                   std::shared_ptr<const routing::GeoPrior> geo);

  // For metrics: written by the engine's thread.
  struct Counters {
    Counter accepted;
    Counter duplicates;
    std::array<Counter, kRefusals> rejected;  // by Refusal
    Counter unverified;                       // duplicates whose first event is not kept any more
    Counter commits;
    Counter commit_failures;
    Counter compiles;
  };
  const Counters& counters() const noexcept { return counters_; }
  std::uint64_t rejected() const noexcept;
  TaskTable& tasks() noexcept { return tasks_; }
  // What the conditions are judged by; the rounds are filled in by who asks.
  Vitals vitals() const;
  void keep(const std::vector<Note>& notes) { core_.keep(notes); }
  // Called once when the log has to be opened anew: here that cannot be.
  void set_begin_anew(std::function<void()> begin) { begin_anew_ = std::move(begin); }
  const std::optional<Shares>& shares() const noexcept { return shares_; }
  const Incidents& incidents() const noexcept { return incidents_; }

 private:
  struct Submission {
    Batch batch;
    std::shared_ptr<HttpReplyLater> reply;
  };
  using Question = std::function<void(Engine&)>;
  using Message = std::variant<Submission, Question>;

  void handle(std::vector<Message> messages);
  // What the batches of one commit bring, and what came of it.
  struct Admission;
  void commit(std::vector<Submission> submissions);
  void admit(std::vector<Submission>& submissions, Admission& admission);
  enum class Appended { yes, no, others_did };
  Appended append(const std::vector<event::Event>& events, const std::vector<Note>& notes,
                  std::vector<event::Position>& positions);
  bool catch_up();
  void share_out();
  void flush_outbox();
  void remember_tasks();
  void tick();
  void look_at_clock();
  void look_at_probers();
  void trim();
  void tell_stale(const Error& error);
  void repay();

  Loop& loop_;
  EventLog& log_;
  Options options_;
  Core core_;
  std::optional<Shares> shares_;  // of a log that is shared
  Incidents incidents_;
  TaskTable tasks_;
  std::array<std::optional<Instant>, event::kChannels> arrived_;  // the last event, by Channel
  Readers& readers_;
  std::shared_ptr<const routing::GeoPrior> geo_;
  routing::SiteMask believed_;  // sites whose probers were, at the last tick
  std::shared_ptr<const routing::RoutingTable> table_;
  std::uint64_t compiled_generation_ = 0;
  Monotonic next_compile_{};
  bool is_broken_ = false;
  bool may_owe_ = true;  // what was acknowledged in an earlier life
  Monotonic next_repay_{};
  unsigned repay_tries_ = 0;
  bool has_told_stale_ = false;
  std::function<void()> begin_anew_;
  Instant started_at_;
  AgeDoubt age_doubt_;
  Monotonic next_trim_{};
  Counters counters_;
  Mailbox<Message> mailbox_;
  Timer timer_;
};

}  // namespace isochrone::collector
