// SPDX-License-Identifier: Apache-2.0
//
// Worker: a named thread that runs one loop.
//
// Threads:   `body` runs in the new thread and owns everything it makes there; it must leave run()
//            when the loop is stopped.
// Stopping:  stop() is idempotent and waits for the thread; the destructor calls it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/loop.h"

namespace isochrone {

// The calling thread yields to the process' other threads from here on: beside a busy one it gets a tenth
// of the CPU (nice 10), so what it does is late then, but never stands still.
void work_in_background();

class Worker {
 public:
  // `name` shows in ps and gdb (15 characters are kept). `cpu` pins the thread when given.
  Worker(std::string name, std::optional<unsigned> cpu, std::function<void(Loop&)> body);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void stop();

 private:
  std::unique_ptr<Loop> loop_;
  std::thread thread_;
};

}  // namespace isochrone
