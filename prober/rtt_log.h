// SPDX-License-Identifier: Apache-2.0
//
// RttLog: RTTs from the access log of a web server, followed across its rotation.
//
// Threads:   one at a time.
// Lines:     words between blanks, which quotation marks around them do not change; one is the
//            client's address, the last one its RTT in microseconds: nginx's $tcpinfo_rtt, HAProxy's
//            %[fc_rtt(us)].
// Rotation:  renamed (a new file takes the name: the old one is read until it was quiet for kQuietLooks),
//            or truncated in place (read from its start). Reading starts at the end of what is there.
// Cost:      at most kMaxReadBytes a look, whatever was written.
// Errors:    a line longer than kMaxLineBytes or without the two is skipped and counted.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/ip.h"
#include "base/time.h"

namespace isochrone::prober {

constexpr std::size_t kMaxLineBytes = 8 * 1024;

struct LoggedRtt {
  Address client;
  Micros rtt{0};
};

// `field`: which word is the address, from 1. Nothing from a line that does not have both, or whose
// RTT is 0 or above a minute.
std::optional<LoggedRtt> parse_rtt_line(std::string_view line, unsigned field);

class RttLog {
 public:
  static constexpr std::size_t kMaxReadBytes = 1024 * 1024;
  static constexpr int kQuietLooks = 3;

  using Use = std::function<void(std::string_view line)>;  // without its line break

  explicit RttLog(std::filesystem::path path);

  // Reads what was written since the last look.
  void look(const Use& use);

  std::size_t rotations() const noexcept { return rotations_; }
  std::size_t too_long() const noexcept { return too_long_; }

 private:
  bool open_new();
  std::size_t read_some(const Use& use);
  void take(std::string_view text, const Use& use);
  void watch_for_rotation();

  std::filesystem::path path_;
  Fd fd_;
  std::size_t offset_ = 0;
  std::string partial_;       // a line whose end is not written yet
  bool is_skipping_ = false;  // to the end of a line that is too long
  int quiet_looks_ = 0;
  std::size_t rotations_ = 0;
  std::size_t too_long_ = 0;
};

}  // namespace isochrone::prober
