// SPDX-License-Identifier: Apache-2.0
//
// TapSink: where frames go, a file or a receiver.
//
// Threads:  of one thread. No call waits for a receiver; a call may wait for a disk.
// Errors:   after one it is closed; open() tries again.
#pragma once

#include <cstddef>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"

namespace isochrone::dns {

class TapSink {
 public:
  enum class State : std::uint8_t { closed, opening, open };

  TapSink() = default;
  TapSink(const TapSink&) = delete;
  TapSink& operator=(const TapSink&) = delete;
  virtual ~TapSink() = default;

  virtual State state() const = 0;
  // When closed.
  virtual Result<void> open(Monotonic now) = 0;
  // Whatever is to be done besides writing.
  virtual Result<void> step(Monotonic now) = 0;
  // When open: how many octets of these frames were taken. Of fewer than all, the rest comes again.
  virtual Result<std::size_t> write(Bytes frames) = 0;
  // What was written to has perhaps been moved away.
  virtual void reopen() = 0;
  // Says that no more frames come; closed when that was heard.
  virtual void end() = 0;
};

}  // namespace isochrone::dns
