// SPDX-License-Identifier: Apache-2.0
//
// Bell: wakes the one thread that waits at it.
//
// Threads: ring() from any thread, wait() from one. A ring before the wait is not lost; many rings
//          may become one. For threads that block in libraries and so cannot run a Loop.
#pragma once

#include "base/fd.h"
#include "base/time.h"

namespace isochrone {

class Bell {
 public:
  Bell();
  void ring() noexcept;
  // True when it rang, false when `longest` went by first.
  bool wait(Millis longest) noexcept;
  // Readable while it rings: for a thread that waits for something else as well.
  int descriptor() const noexcept { return event_.get(); }

 private:
  Fd event_;
};

}  // namespace isochrone
