// SPDX-License-Identifier: Apache-2.0
#include "dns/answer_worker.h"

#include <deque>
#include <utility>

#include "dns/tcp_front.h"
#include "dns/udp_front.h"

namespace isochrone::dns {
namespace {

constexpr Millis kReportInterval{1'000};

}  // namespace

Reply Answers::reply_to(Bytes query, const Address& sender, Transport transport,
                        MutableBytes out) noexcept {
  const Reply reply = answer(reader_.get(), {query, sender, transport, now_}, out);
  counters_.count(reply, transport);
  // Between a new topology and the next report ids would mix: those few queries are not counted.
  if (reply.service && !has_new_topology()) {
    if (!demand_.count(*reply.service, reply.client_network, sender)) counters_.demand_lost.add();
    if (until_sample_-- == 0) sample(reply);
  }
  return reply;
}

void Answers::sample(const Reply& reply) noexcept {
  until_sample_ = kSampleEvery - 1;
  if (sampled_ == kSamples) return;
  samples_[sampled_++] = {*reply.service, reply.client, reply.client_network, reply.choice};
}

DemandReport Answers::report() {
  DemandReport report;
  report.topology = reported_->topology;
  report.table_generation = reported_->table->generation();
  report.demand = demand_.take();
  report.decisions.assign(samples_, samples_ + sampled_);
  sampled_ = 0;
  until_sample_ = 0;
  reported_ = reader_.shared();
  return report;
}

void AnswerWorker::run(Loop& loop, std::vector<WorkerSockets> sockets,
                       const Published<Snapshot>& snapshots, WorkerCounters& counters,
                       const Settings& settings) {
  Answers answers(snapshots, counters);
  UdpBatch batch;
  TcpLimits limits{settings.tcp_connections, settings.tcp_idle};
  std::deque<UdpFront> udp;  // fronts hold handles: they may not move
  TcpFront tcp(loop, answers, limits);
  for (WorkerSockets& socket : sockets) {
    udp.emplace_back(loop, std::move(socket.udp), answers, batch);
    tcp.listen(std::move(socket.tcp));
  }
  Timer report_timer(loop, [&] {
    answers.refresh(loop.wall());
    DemandReport report = answers.report();
    if (!report.demand.empty() && settings.report) settings.report(std::move(report));
  });
  report_timer.start(kReportInterval, kReportInterval);
  loop.run();
}

}  // namespace isochrone::dns
