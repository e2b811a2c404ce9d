// SPDX-License-Identifier: Apache-2.0
//
// Daemon: the real program as a child process, heard over its standard error.
//
// Waiting:  always for something (a line, an end) and never longer than kPatience, which no healthy
//           run comes near, sanitizers included.
// Ending:   the destructor kills the child by its own id; the kernel does when the test dies.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/ip.h"

namespace isochrone::test {

constexpr std::chrono::seconds kPatience{30};

// Whether the condition came true within kPatience; asked every few milliseconds.
inline bool eventually(const std::function<bool()>& condition,
                       std::chrono::milliseconds patience = kPatience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

class Daemon {
 public:
  // `isochrone run --config FILE`. `prepare` runs in the child before the program does: limits,
  // environment, privileges.
  explicit Daemon(const std::string& config, const std::function<void()>& prepare = {});
  // `isochrone COMMAND ... --config FILE`.
  Daemon(const std::string& config, std::vector<std::string> command,
         const std::function<void()>& prepare = {});
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Whether a line with `text` comes, or came since the last one that was waited for.
  bool hears(std::string_view text);
  bool is_ready() { return hears(" ready "); }
  // Everything it said so far.
  const std::string& log();

  // From the ready line: "dns", "collector" or "http"; the first where several are named.
  Endpoint endpoint(std::string_view role) const;
  std::string collector_url() const;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // The exit status, or minus the signal that ended it; -1000 when it does not end.
  int ended();
  void kill();

 private:
  void read_more(std::chrono::milliseconds wait);

  pid_t pid_ = -1;
  Fd output_;
  std::string log_;
  std::size_t heard_ = 0;  // the log up to here was waited for
  std::string ready_;      // the ready line
};

// A command that ends by itself.
struct Finished {
  int status = -1;
  std::string out;
  std::string err;
};
Finished isochrone(std::vector<std::string> arguments, std::string_view input = {},
                   const std::function<void()>& prepare = {});

}  // namespace isochrone::test
