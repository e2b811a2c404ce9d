// SPDX-License-Identifier: Apache-2.0
//
// TakeOver: the part of the process that comes to replace another; hand_over.h has the steps.
//
// Threads:  one; every call waits for the other process, for at most a minute.
// Errors:   Errc::unavailable when the other process has gone: whoever serves already goes on alone.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "app/notifier.h"
#include "app/roles.h"
#include "base/loop.h"
#include "base/unix_channel.h"

namespace isochrone::app {

class TakeOver {
 public:
  static Result<std::unique_ptr<TakeOver>> begin(const std::filesystem::path& state_dir);

  const Offer& offer() const { return offer_; }
  // As the other's service manager expects it.
  Notifier notifier() const { return {manager_socket_, watchdog_us_}; }

  // `control` gets the listener of the control socket.
  Result<Estate> sockets(Fd& control);
  // From here on this process answers; what the other has counted.
  Result<Metrics::Counters> serving();
  Result<void> ready();
  // Returns when the other answers again. It goes on from `counters`, if it had stopped.
  void failed(const std::string& reason, const Metrics::Counters& counters);

  // Takes what the other counts until it has ended.
  void follow(Loop& loop, Roles& roles);

 private:
  TakeOver() = default;
  Result<std::string> ask(const std::string& what, const std::string& reason = {},
                          const Metrics::Counters& counters = {});

  UnixChannel channel_;
  Offer offer_;
  std::string manager_socket_;
  std::int64_t watchdog_us_ = 0;
  std::unique_ptr<Poll> poll_;
};

}  // namespace isochrone::app
