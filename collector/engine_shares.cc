// SPDX-License-Identifier: Apache-2.0
//
// Engine, of a log that other collectors write too: their events, and who reduces what.
#include <fmt/format.h>

#include "base/log.h"
#include "collector/engine.h"

namespace isochrone::collector {
namespace {

constexpr Seconds kRepayEvery{1};
// Beyond that it is not the log that cannot be written: an id is taken for one that is there.
constexpr unsigned kMostRepayTries = 300;

}  // namespace

// What other collectors appended counts here too.
bool Engine::catch_up() {
  const auto foreign = log_.catch_up();
  if (!foreign) {
    if (foreign.error().code() == Errc::stale) tell_stale(foreign.error());
    return false;
  }
  for (const Foreign& each : *foreign) {
    if (shares_) {
      // What is no longer ours is left before anything more is said; what becomes ours is read whole below.
      shares_->take(each.notes, loop_.now());
      core_.own(core_.windows().mine() & shares_->mine(), log_, now());
    }
    core_.take(each, now());
    tasks_.note(each.events, now());
    for (const event::Event& event : each.events) {
      arrived_[static_cast<std::size_t>(event.channel())] = now();
    }
  }
  if (foreign->empty()) return true;
  if (shares_) core_.own(shares_->mine(), log_, now());
  incidents_.restore(log_);
  readers_.grown();
  return true;
}

// Says that this collector lives, takes what nobody has and hands over what is another's.
void Engine::share_out() {
  const Parts before = shares_->mine();
  while (true) {
    const std::vector<Note> notes = shares_->due(loop_.now());
    std::vector<event::Position> none;
    const Appended appended = append({}, notes, none);
    if (appended == Appended::yes) {
      shares_->take(notes, loop_.now());
      break;
    }
    if (appended == Appended::no || !catch_up()) return;
  }
  const Parts mine = shares_->mine();
  core_.own(mine, log_, now());
  if (mine != before) log_info(fmt::format("partitions reduced here count={}", mine.count()));
}

void Engine::tell_stale(const Error& error) {
  if (!is_broken_) log_error(error.text() + "; the collector begins anew from the stream");
  is_broken_ = true;
  if (!std::exchange(has_told_stale_, true) && begin_anew_) begin_anew_();
}

// What an earlier life acknowledged and the stream has lost since is posted again, as anybody would.
void Engine::repay() {
  class Nobody final : public HttpReplyLater {
   public:
    bool reply(HttpResponse) override { return true; }
    bool is_open() const override { return true; }
  };
  next_repay_ = loop_.now() + kRepayEvery;
  std::vector<event::Event> owed = log_.owed(kMaxBatchEvents);
  std::size_t missing = owed.size();
  if (!owed.empty()) {
    Submission submission;
    for (std::size_t i = 0; i < owed.size(); ++i) {
      submission.batch.indexes.push_back(i);
      submission.batch.lines.push_back(0);
    }
    std::vector<event::EventId> ids;
    for (const event::Event& event : owed) ids.push_back(event.id);
    submission.batch.events = std::move(owed);
    submission.reply = std::make_shared<Nobody>();
    std::vector<Submission> all;
    all.push_back(std::move(submission));
    commit(std::move(all));
    missing = static_cast<std::size_t>(std::count_if(
        ids.begin(), ids.end(), [this](const event::EventId& id) { return !log_.find(id); }));
    log_warning(
        fmt::format("what the stream had acknowledged and lost is written again "
                    "events={} missing={}",
                    ids.size(), missing));
  }
  if (missing > 0 && ++repay_tries_ >= kMostRepayTries) {
    log_error(
        "what the stream lost cannot be written again; it stays set aside beside the replica");
    may_owe_ = false;
  }
  if (missing > 0 || !log_.owed(1).empty()) return;  // a little later
  log_.settle();
  may_owe_ = false;
}

}  // namespace isochrone::collector
