// SPDX-License-Identifier: Apache-2.0
//
// Control: the socket in the state directory by which commands reach the running process.
//
// Threads:  belongs to the loop's thread; handlers run there.
// Access:   of this user and root only, by the mode of the socket. One message asks, one answers; a
//           process that comes to replace this one keeps its channel.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "base/unix_channel.h"

namespace isochrone::app {

std::filesystem::path control_path(const std::filesystem::path& state_dir);

// What a command asks about a configuration on trial (trial.h), and what it is told.
struct TrialOrder {
  std::string what;            // "begin", "confirm", "undo" or "status"
  std::filesystem::path file;  // to begin with, absolute
  Seconds patience{0};
};
struct TrialReply {
  std::vector<Error> errors;
  std::filesystem::path file;  // that is on trial; empty: none is
  std::string digest;          // of its text
  Seconds left{0};
};

class Control {
 public:
  struct Handlers {
    // What was wrong; `zone` is empty for the whole configuration.
    std::function<std::vector<Error>(const std::string& zone)> reload;
    std::function<void(UnixChannel)> replace;
    std::function<TrialReply(const TrialOrder&)> trial;
  };
  Control(Loop& loop, Fd listener, Handlers handlers);
  ~Control();

  const Fd& listener() const { return listener_; }
  // Hears no more commands: another process does, at the same socket.
  void stop() { poll_.stop(); }

 private:
  struct Visitor;
  void accept();
  void serve(Visitor& visitor);

  Loop& loop_;
  Fd listener_;
  Handlers handlers_;
  std::vector<std::unique_ptr<Visitor>> visitors_;
  Poll poll_;  // after the listener: closed before it
};

// Asks the process that runs with this state directory to reload; what was wrong.
std::vector<Error> ask_to_reload(const std::filesystem::path& state_dir, const std::string& zone);
TrialReply ask_about_trial(const std::filesystem::path& state_dir, const TrialOrder& order);

}  // namespace isochrone::app
