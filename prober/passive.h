// SPDX-License-Identifier: Apache-2.0
//
// Passive: watches real clients' connections and reports what they say of their networks.
//
// Threads:  lives in one loop's thread, best one of its own: parsing a piece takes about 0.1 ms.
// Cost:     at most kPiecesPerTick pieces of connections every kTick, so 36 000 connections a second
//           whatever there is; a sweep that is not done when the next is due makes that one wait.
// Private:  addresses are truncated to their network before anything is kept for longer than a sweep, and
//           special-use ones are left out unless `allow_private`: what is behind a proxy is no client.
#pragma once

#include <optional>
#include <vector>

#include "base/loop.h"
#include "base/result.h"
#include "prober/campaign.h"
#include "prober/counters.h"
#include "prober/opt_out.h"
#include "prober/options.h"
#include "prober/rtt_log.h"
#include "prober/tally.h"
#include "prober/tcp_diag.h"

namespace isochrone::prober {

class Passive {
 public:
  static constexpr int kPiecesPerTick = 2;
  static constexpr Millis kTick{5};
  static constexpr Millis kLogLook{1'000};

  // `diag`: absent without ports to watch.
  Passive(Loop& loop, std::optional<TcpDiag> diag, const Options& options, std::uint64_t seed,
          PassiveCounters& counters, Campaign::Report report);

 private:
  void begin_sweep();
  void begin_family();
  void read_pieces();
  void end_sweep();
  void look_at_log();

  Loop& loop_;
  const PassiveOptions options_;
  PassiveCounters& counters_;
  Campaign::Report report_;
  OptOut opt_out_;
  std::optional<TcpDiag> diag_;
  std::optional<RttLog> log_;
  Tally tally_;
  std::vector<Connection> read_;
  std::vector<Family> families_left_;  // of the sweep in progress, the one being read included
  std::uint32_t round_ = 0;
  bool is_silent_ = false;  // the kernel's refusal was logged
  Monotonic swept_{};       // when the sweep before began
  Millis since_{0};         // how long before this sweep began
  Timer sweep_;
  Timer tick_;
  Timer log_look_;
};

}  // namespace isochrone::prober
