// SPDX-License-Identifier: Apache-2.0
//
// Scene: a collector with its own clock and disk, senders that post to it, and the checker of what is
// left when something went wrong.
//
// Its clock is ours, shifted: windows stay open for ten minutes, so that nothing comes late however slow
// the machine is, and close when the test lets time pass.
//
// Threads: one; the senders have threads of their own while they post.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/config.h"
#include "base/random.h"
#include "event/event.h"
#include "tests/faults/history.h"
#include "tests/faults/sender.h"
#include "tests/integration/world.h"
#include "tests/support/daemon.h"
#include "tests/support/shift.h"

namespace isochrone::test {

// How often each fault happens: ISOCHRONE_FAULT_ROUNDS, or twice.
unsigned fault_rounds();
// Any moment of the next so many: when a fault happens, nothing is waited for.
void pass_some_time(Random& random, std::chrono::microseconds at_most);
// Prints the sum of all rounds; a failure unless it is clean.
void report(std::string_view fault, const Findings& all);

class Scene {
 public:
  // More of the collector's section, ", key: value".
  explicit Scene(std::uint64_t seed, const std::string& settings = {});

  // One life of the collector; false when it does not become ready.
  bool start(const std::function<void()>& prepare = {});
  void kill() { daemon_.reset(); }
  Daemon& daemon() { return *daemon_; }
  std::string url() const { return url_; }
  // Collectors of one log: each sender has one of them until it does not acknowledge; the first is read.
  // Waits until each collector that is posted to has read what any of them acknowledged.
  void all_read();
  void turn_to(std::vector<std::string> urls) {
    is_shared_ = is_shared_ || urls.size() > 1;
    urls_ = std::move(urls);
    url_ = urls_.front();
  }
  const std::string& config() const { return config_; }
  std::filesystem::path state_dir() const { return world_.path("state"); }
  std::filesystem::path log_dir() const { return state_dir() / "log"; }
  std::string path(const std::string& name) const { return world_.path(name); }
  std::string write(const std::string& name, const std::string& text) const {
    return world_.write(name, text);
  }
  Random& random() { return random_; }
  Shift& shift() { return shift_; }
  History& history() { return history_; }
  std::vector<Sender>& senders() { return senders_; }
  Instant now() const;

  // All senders post so many batches each, or until one of theirs is not acknowledged.
  void post(unsigned batches);
  // All senders post until `happen` has returned; what is not acknowledged then waits.
  void post_while(const std::function<void()>& happen);
  // Posts what waits until it is acknowledged.
  bool flush(std::chrono::milliseconds patience = kPatience);
  // Lets the collector's time pass; windows of what was posted before close.
  void pass(std::int64_t seconds) { shift_.set(shift_.seconds() + seconds); }

  std::vector<event::StoredEvent> read(std::string_view channel) const;
  // Acknowledged against stored, and the state against what the core makes of the stored events.
  // `forget` names networks whose states are not compared.
  Findings check(const std::set<Prefix>& forget = {});
  // Networks whose state is not what the core makes of the events in the log, once all windows are closed.
  // What somebody who is gone had sent may still arrive meanwhile.
  std::uint64_t wrong_states(const std::set<Prefix>& forget = {});

 private:
  using States = std::map<Prefix, event::State>;
  States replayed(const std::vector<event::StoredEvent>& log);
  States stored() const;
  std::uint64_t differences(const States& expected, const std::set<Prefix>& forget);

  World world_;
  std::string config_;
  Shift shift_;
  Random random_;
  History history_;
  std::vector<Sender> senders_;
  std::unique_ptr<Daemon> daemon_;
  std::string url_;                // of who is asked
  std::vector<std::string> urls_;  // of who is posted to
  bool is_shared_ = false;         // the log, by several collectors
  std::string difference_;         // the last that was found
};

}  // namespace isochrone::test
