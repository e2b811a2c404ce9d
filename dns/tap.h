// SPDX-License-Identifier: Apache-2.0
//
// Tap: a log of queries and answers as dnstap, which loses rather than waits.
//
// Workers leave copies in rings; one thread, in the background, makes frames of them and writes them into
// a file or to a receiver.
//
// Threads:    owns one. point() of a worker is used by that worker; everything else by any thread.
// Memory:     a ring per worker, and some 256 KiB of frames on their way.
// Failures:   a receiver that is away or slow, a disk that is full: what the rings cannot hold meanwhile is
//             counted as dropped; tried again with growing pauses; said once, and again when it is over.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "base/counter.h"
#include "dns/tap_options.h"
#include "dns/tap_point.h"
#include "dns/task_thread.h"

namespace isochrone::dns {

class Tap {
 public:
  // How long the end waits for what is still to be written and heard.
  static constexpr Millis kFarewell{2'000};

  Tap(const TapOptions& options, unsigned workers);
  ~Tap();  // ends, if that was not done

  TapPoint& point(unsigned worker) { return points_[worker]; }
  // Writes what the rings still have, and says that it was all; the workers leave nothing more by then.
  void end();
  // A file that was moved away is ended, and another begun. Returns when that was tried.
  void reopen();

  struct Status {
    std::uint64_t written = 0;  // frames that a file or the kernel has taken
    std::uint64_t dropped = 0;  // frames that no ring had room for
    bool is_connected = false;  // the file is open, or the receiver takes frames
  };
  Status status() const;

 private:
  class Writer;
  std::deque<TapPoint> points_;
  Counter written_;
  std::atomic<bool> is_connected_{false};
  std::atomic<bool> has_ended_{false};
  TaskThread thread_;
  std::unique_ptr<Writer> writer_;  // lives in the thread
};

}  // namespace isochrone::dns
