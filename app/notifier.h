// SPDX-License-Identifier: Apache-2.0
//
// Notifier: tells the service manager how this process is (sd_notify(3), without its library).
//
// Threads: one. Without NOTIFY_SOCKET in the environment every call does nothing.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/time.h"

namespace isochrone::app {

class Notifier {
 public:
  // Reads the environment: make it before any other thread.
  Notifier();
  // With what another process read there: the manager is told by this one from now on.
  Notifier(const std::string& path, std::int64_t watchdog_us);

  void ready(std::string_view status) { send("READY=1\nSTATUS=" + std::string(status)); }
  void reloading() { send("RELOADING=1"); }
  void stopping() { send("STOPPING=1"); }
  void alive() { send("WATCHDOG=1"); }
  void main_pid(pid_t pid) { send("MAINPID=" + std::to_string(pid)); }

  // How often alive() is due: half of what the manager waits for. Nothing when it does not wait.
  std::optional<Millis> watchdog() const { return watchdog_; }

  const std::string& path() const { return path_; }
  std::int64_t watchdog_us() const { return watchdog_us_; }  // 0: none

 private:
  void send(const std::string& state);

  std::string path_;
  Fd socket_;
  std::int64_t watchdog_us_ = 0;
  std::optional<Millis> watchdog_;
};

}  // namespace isochrone::app
