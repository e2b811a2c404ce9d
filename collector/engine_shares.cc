// SPDX-License-Identifier: Apache-2.0
//
// Engine, of a log that other collectors write too: their events, and who reduces what.
#include <fmt/format.h>

#include "base/log.h"
#include "collector/engine.h"

namespace isochrone::collector {

// What other collectors appended counts here too.
bool Engine::catch_up() {
  const auto foreign = log_.catch_up();
  if (!foreign) return false;
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

}  // namespace isochrone::collector
