// SPDX-License-Identifier: Apache-2.0
//
// Workers: the threads that answer, started, silenced and drained as one.
//
// Threads:  every member may be called from one controlling thread; counters() by any.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "base/mailbox.h"
#include "base/worker.h"
#include "dns/answer_worker.h"
#include "dns/counters.h"
#include "dns/inheritance.h"
#include "dns/sockets.h"
#include "dns/tap.h"
#include "dns/xdp_port.h"

namespace isochrone::dns {

class Workers {
 public:
  // `settings.workers` threads; when an address has more sockets than that, some serve several.
  // `tap` may be null; it outlives this.
  Workers(std::vector<BoundEndpoint> bound, const Published<Snapshot>& snapshots,
          const AnswerWorker::Settings& settings, Tap* tap = nullptr);
  ~Workers();

  // Whether queries and connections are taken. Returns when every worker does as it is told, and then
  // everything that it received has been answered; what comes later waits in the sockets.
  void set_listening(bool is_listening);
  // Closes the sockets and serves the connections that are open to their end; `done` is called then,
  // by one of the workers.
  void drain(std::function<void()> done);

  // One port per interface, or what is wrong with it, unless sockets are told to serve instead. The
  // ports end when listening does.
  std::vector<Error> open_xdp(const XdpOptions& options);

  std::vector<HandedSocket> sockets() const;  // the same ones, for another process
  const std::deque<WorkerCounters>& counters() const { return counters_; }

 private:
  // `queues` of each worker, or none.
  void tell(WorkerOrder::What what, std::vector<std::vector<XdpQueue>> queues = {});
  void start(unsigned index, std::vector<WorkerSockets> mine, const Published<Snapshot>& snapshots,
             AnswerWorker::Settings settings);

  std::deque<WorkerCounters> counters_;  // one writer each
  std::vector<HandedSocket> shared_;
  std::vector<Endpoint> plain_;                // where no TLS is spoken
  std::vector<XdpPort> xdp_;                   // their queues are the workers'
  std::vector<Mailbox<WorkerOrder>*> orders_;  // each lives in its worker
  std::vector<std::unique_ptr<Worker>> threads_;
};

}  // namespace isochrone::dns
