// SPDX-License-Identifier: Apache-2.0
#include "dns/workers.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <atomic>
#include <future>
#include <optional>
#include <utility>

#include "base/log.h"

namespace isochrone::dns {
namespace {

Fd another(const Fd& fd) { return Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)); }

// Descriptors of the same sockets, which outlive what the workers do with theirs.
void share(const BoundEndpoint& endpoint, std::vector<HandedSocket>& into) {
  using Kind = HandedSocket::Kind;
  for (const WorkerSockets& sockets : endpoint.sockets) {
    const auto add = [&](Kind kind, const Fd& fd) {
      if (fd) into.push_back({kind, endpoint.asked, endpoint.endpoint, another(fd)});
    };
    add(Kind::udp, sockets.udp);
    add(sockets.is_tls ? Kind::tls : Kind::tcp, sockets.tcp);
  }
}

}  // namespace

Workers::Workers(std::vector<BoundEndpoint> bound, const Published<Snapshot>& snapshots,
                 const AnswerWorker::Settings& settings, Tap* tap) {
  std::vector<std::vector<WorkerSockets>> of_worker(settings.workers);
  for (BoundEndpoint& endpoint : bound) {
    share(endpoint, shared_);
    if (!endpoint.sockets.front().is_tls) plain_.push_back(endpoint.endpoint);
    for (std::size_t i = 0; i < endpoint.sockets.size(); ++i) {
      of_worker[i % of_worker.size()].push_back(std::move(endpoint.sockets[i]));
    }
  }
  for (unsigned i = 0; i < settings.workers; ++i) {
    AnswerWorker::Settings own = settings;
    if (tap != nullptr) own.tap = &tap->point(i);
    start(i, std::move(of_worker[i]), snapshots, std::move(own));
  }
}

Workers::~Workers() {
  xdp_.clear();  // from here on sockets get all queries, until they close
}

void Workers::start(unsigned index, std::vector<WorkerSockets> mine,
                    const Published<Snapshot>& snapshots, AnswerWorker::Settings settings) {
  const auto sockets = std::make_shared<std::vector<WorkerSockets>>(std::move(mine));
  const auto opened = std::make_shared<std::promise<Mailbox<WorkerOrder>*>>();
  settings.opened = [opened](Mailbox<WorkerOrder>& orders) { opened->set_value(&orders); };
  WorkerCounters& counters = counters_.emplace_back();
  threads_.push_back(std::make_unique<Worker>(
      fmt::format("dns-{}", index), std::nullopt,
      [&snapshots, &counters, sockets, settings](Loop& loop) {
        AnswerWorker::run(loop, std::move(*sockets), snapshots, counters, settings);
      }));
  orders_.push_back(opened->get_future().get());
}

void Workers::tell(WorkerOrder::What what, std::vector<std::vector<XdpQueue>> queues) {
  queues.resize(orders_.size());
  std::vector<std::future<void>> obeyed;
  for (std::size_t i = 0; i < orders_.size(); ++i) {
    // Shared: the waiter may go on while set_value() is still on its way out.
    const auto done = std::make_shared<std::promise<void>>();
    obeyed.push_back(done->get_future());
    orders_[i]->post({what, std::move(queues[i]), [done] { done->set_value(); }});
  }
  for (auto& each : obeyed) each.wait();
}

void Workers::set_listening(bool is_listening) {
  if (!is_listening) xdp_.clear();  // what comes from now on comes to the sockets
  tell(is_listening ? WorkerOrder::What::listen : WorkerOrder::What::stop_listening);
}

std::vector<Error> Workers::open_xdp(const XdpOptions& options) {
  std::vector<Error> errors;
  for (const std::string& interface : options.interfaces) {
    auto port = open_xdp_port(interface, options.mode, xdp_endpoints(plain_));
    if (port) {
      log_info(fmt::format("XDP answers interface={} mode={} queues={}", interface,
                           to_string(port->mode), port->queues.size()));
      xdp_.push_back(std::move(*port));
    } else if (options.fall_back) {
      log_warning(fmt::format("no XDP, sockets answer interface={} error=\"{}\"", interface,
                              port.error().text()));
    } else {
      errors.push_back(port.error().within("dns.xdp"));
    }
  }
  if (!errors.empty() || xdp_.empty()) return errors;
  // Queues go round among the workers, as the interface spreads clients over its queues.
  std::vector<std::vector<XdpQueue>> of_worker(orders_.size());
  for (XdpPort& port : xdp_) {
    for (std::size_t i = 0; i < port.queues.size(); ++i) {
      of_worker[i % of_worker.size()].push_back(std::move(port.queues[i]));
    }
  }
  tell(WorkerOrder::What::listen, std::move(of_worker));
  return errors;
}

void Workers::drain(std::function<void()> done) {
  shared_.clear();
  const auto left = std::make_shared<std::atomic<std::size_t>>(orders_.size());
  for (Mailbox<WorkerOrder>* orders : orders_) {
    orders->post({WorkerOrder::What::drain, {}, [left, done] {
                    if (left->fetch_sub(1) == 1) done();
                  }});
  }
}

std::vector<HandedSocket> Workers::sockets() const {
  std::vector<HandedSocket> sockets;
  for (const HandedSocket& socket : shared_) {
    sockets.push_back({socket.kind, socket.asked, socket.bound, another(socket.fd)});
  }
  return sockets;
}

}  // namespace isochrone::dns
