// SPDX-License-Identifier: Apache-2.0
#include "base/worker.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include <utility>

#include "base/log.h"

namespace isochrone {

// Linux knows a nice value for each thread, and 0 names the calling one. It cannot fail: nobody needs leave
// to be nicer.
void work_in_background() { setpriority(PRIO_PROCESS, 0, 10); }

Worker::Worker(std::string name, std::optional<unsigned> cpu, std::function<void(Loop&)> body)
    : loop_(std::make_unique<Loop>()),
      thread_([loop = loop_.get(), name = std::move(name), cpu, body = std::move(body)] {
        pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
        if (cpu) {
          cpu_set_t set;
          CPU_ZERO(&set);
          CPU_SET(*cpu, &set);
          if (pthread_setaffinity_np(pthread_self(), sizeof set, &set) != 0) {
            log_warning("cannot pin thread name=" + name + " cpu=" + std::to_string(*cpu));
          }
        }
        body(*loop);
      }) {}

Worker::~Worker() { stop(); }

void Worker::stop() {
  loop_->stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace isochrone
