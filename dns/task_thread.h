// SPDX-License-Identifier: Apache-2.0
//
// TaskThread: a thread with a loop that runs the functions it is given, in order.
//
// Priority: answers come first: it works in the background.
// Threads:  post() and call() from any thread but, for call(), its own. What tasks make on loop() they
//           must also end in a task.
// Stopping: the destructor ends the loop; tasks that still wait are dropped.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/loop.h"
#include "base/mailbox.h"
#include "base/worker.h"

namespace isochrone::dns {

class TaskThread {
 public:
  using Task = std::function<void()>;

  explicit TaskThread(std::string name)
      : worker_(std::move(name), std::nullopt,
                [this](Loop& loop) {
                  work_in_background();
                  Mailbox<Task> tasks(loop, [](const std::vector<Task>& due) {
                    for (const Task& task : due) task();
                  });
                  loop_ = &loop;
                  ready_.set_value(&tasks);
                  loop.run();
                }),
        tasks_(ready_.get_future().get()) {}
  TaskThread(const TaskThread&) = delete;
  TaskThread& operator=(const TaskThread&) = delete;

  void post(Task task) { tasks_->post(std::move(task)); }
  // Posts and waits until it has run.
  void call(const Task& task) {
    // Shared: the waiter may go on while set_value() is still on its way out.
    const auto done = std::make_shared<std::promise<void>>();
    post([&task, done] {
      task();
      done->set_value();
    });
    done->get_future().wait();
  }
  Loop& loop() { return *loop_; }  // for tasks only

 private:
  std::promise<Mailbox<Task>*> ready_;  // before the worker: it uses both
  Loop* loop_ = nullptr;
  Worker worker_;
  Mailbox<Task>* tasks_;
};

}  // namespace isochrone::dns
