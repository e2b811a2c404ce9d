// SPDX-License-Identifier: Apache-2.0
//
// HandOver: the part of the process that goes when another comes to replace it.
//
//   the one that comes          the one that goes
//   {"do": "replace"}        ->
//                            <- {"offer", "manager", "pid", "cgroup"}, its snapshot is on disk
//   loads everything
//   {"do": "sockets"}        ->
//                            <- its estate (estate_message.h); both have the sockets now
//   answers queries
//   {"do": "serving"}        ->
//                            <- {"counters"}: reads no socket any more, ended all but dns
//   starts all but dns
//   {"do": "ready"}          ->
//                            <- {"farewell"}, then {"counters"} until its connections are drained
//
// Failures: until "ready" the one that goes takes everything back when the other says {"do": "failed",
//           "reason", "counters"}, goes away, or is silent for kPatience after "serving".
// Threads:  belongs to the loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "app/control.h"
#include "app/notifier.h"
#include "app/roles.h"
#include "base/loop.h"
#include "base/unix_channel.h"

namespace isochrone::app {

// The control group of this process, by which a service manager knows its own.
std::string own_cgroup();

class HandOver {
 public:
  // `ended` is called when this process has nothing left to do.
  HandOver(Loop& loop, Roles& roles, Notifier& notifier, Control& control,
           std::function<void()> ended);

  void begin(UnixChannel channel);
  // Somebody is about to replace this process, or has.
  bool is_busy() const { return step_ != Step::none; }
  bool is_done() const { return step_ == Step::draining; }
  // This process was told to end: so shall the other.
  void call_off();

 private:
  enum class Step { none, offered, standing_by, taking_back, draining };

  void read();
  void obey(const std::string& what, const std::string& reason);
  void offer();
  void stand_by();
  void go();
  void take_back(const std::string& reason);
  void take_back_rest();
  void part();
  void tell_counters();

  Loop& loop_;
  Roles& roles_;
  Notifier& notifier_;
  Control& control_;
  std::function<void()> ended_;
  Step step_ = Step::none;
  bool has_told_ = false;  // why not everything could be taken back yet
  UnixChannel channel_;
  std::unique_ptr<Poll> poll_;
  Wakeup drained_;
  Timer patience_;
  Timer again_;
};

}  // namespace isochrone::app
