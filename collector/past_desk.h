// SPDX-License-Identifier: Apache-2.0
//
// PastDesk: answers questions about the past, one after the other, beside the engine.
//
// Threads:  ask() from any; it works in one of its own, in the background.
// Limits:   kMaxWaiting questions; more are refused with 429.
// Stopping: the destructor ends the question in progress; those that wait are answered 503.
#pragma once

#include <atomic>
#include <memory>

#include "base/http_server.h"
#include "base/mailbox.h"
#include "base/worker.h"
#include "collector/engine.h"

namespace isochrone::collector {

class PastDesk {
 public:
  static constexpr int kMaxWaiting = 8;

  // Both outlive it.
  PastDesk(Engine& engine, const EventLog& log);
  ~PastDesk();
  PastDesk(const PastDesk&) = delete;
  PastDesk& operator=(const PastDesk&) = delete;

  HttpResponse ask(const HttpRequest& request);

 private:
  using Question = std::function<void()>;

  void answer(const std::shared_ptr<HttpReplyLater>& reply, const HttpRequest& request);

  Engine& engine_;
  const EventLog& log_;
  std::atomic<bool> is_stopping_{false};
  std::atomic<int> waiting_{0};
  Mailbox<Question>* questions_ =
      nullptr;  // lives in the worker's thread, for as long as that runs
  std::unique_ptr<Worker> worker_;
};

}  // namespace isochrone::collector
