// SPDX-License-Identifier: Apache-2.0
//
// Loop and its handles: the one event loop of a thread, over libuv.
//
// Threads:    a Loop and its handles belong to the thread that runs it, except Loop::stop() and
//             Wakeup::notify(), which any thread may call.
// Ownership:  a handle owns its callback and must die before its Loop. libuv needs a handle closed
//             first and freed in its close callback: that knowledge stays in loop.cc.
// Clocks:     now() and wall() are the only places of the program that read clocks.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "base/time.h"

namespace isochrone {

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until stop(), or until no active handle is left.
  void run();
  // Thread-safe; run() returns after the callback in progress. A stop before run() holds too.
  void stop();

  Monotonic now() const;  // reads the clock: exact, about 20 ns
  Instant wall() const;   // likewise

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// Fires once or repeatedly. Resolution 1 ms: pacing below that belongs to Poll on a timerfd.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> fire);
  ~Timer();
  void start(Millis after, Millis repeat = Millis(0));
  void stop();

 private:
  struct Impl;
  Impl* impl_;
};

// Calls back while a descriptor is readable or writable (level-triggered). Does not own the fd.
class Poll {
 public:
  enum Interest : unsigned { readable = 1, writable = 2 };
  // `ready` gets the events that hold; an error on the descriptor arrives as both.
  Poll(Loop& loop, int fd, std::function<void(unsigned)> ready);
  ~Poll();
  void watch(unsigned interest);
  void stop();

 private:
  struct Impl;
  Impl* impl_;
};

// Calls back in the loop's thread some time after notify(); many notifies may become one call.
class Wakeup {
 public:
  Wakeup(Loop& loop, std::function<void()> woken);
  ~Wakeup();
  void notify();  // any thread

 private:
  struct Impl;
  Impl* impl_;
};

// Calls back for each delivery of a signal.
class SignalWatch {
 public:
  SignalWatch(Loop& loop, int signal_number, std::function<void()> raised);
  ~SignalWatch();

 private:
  struct Impl;
  Impl* impl_;
};

}  // namespace isochrone
