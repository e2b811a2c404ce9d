// SPDX-License-Identifier: Apache-2.0
//
// Mailbox<T>: messages from any thread into a loop, in the order they were posted.
//
// Threads:  post() from any thread; the handler runs in the loop's thread with all that waited.
// Lifetime: lives in the loop's thread and outlives its posters.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/loop.h"

namespace isochrone {

template <class T>
class Mailbox {
 public:
  Mailbox(Loop& loop, std::function<void(std::vector<T>)> handle)
      : handle_(std::move(handle)), wakeup_(loop, [this] { deliver(); }) {}

  void post(T message) {
    const bool was_empty = waiting_.with([&](std::vector<T>& waiting) {
      waiting.push_back(std::move(message));
      return waiting.size() == 1;
    });
    if (was_empty) wakeup_.notify();  // one wake-up stands for all that follow until delivery
  }

 private:
  void deliver() {
    auto messages =
        waiting_.with([](std::vector<T>& waiting) { return std::exchange(waiting, {}); });
    if (!messages.empty()) handle_(std::move(messages));
  }

  std::function<void(std::vector<T>)> handle_;
  Guarded<std::vector<T>> waiting_;
  Wakeup wakeup_;
};

}  // namespace isochrone
