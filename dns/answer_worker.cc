// SPDX-License-Identifier: Apache-2.0
#include "dns/answer_worker.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "dns/tcp_front.h"
#include "dns/udp_front.h"
#include "dns/xdp_front.h"

namespace isochrone::dns {
namespace {

constexpr Millis kReportInterval{1'000};
// A signature takes about 30 us: at most some 6 % of the worker's time goes into names that do not
// exist, which an attacker can make up as fast as he can send.
constexpr unsigned kOnlineSignaturesPerSecond = 2'000;

// Everything that one worker listens with.
struct Fronts {
  Fronts(Loop& loop, Answers& answers, TcpLimits limits) : tcp(loop, answers, limits) {}

  void obey(WorkerOrder order, Loop& loop, Answers& answers) {
    if (order.what == WorkerOrder::What::drain) {
      udp.clear();
      return tcp.drain(std::move(order.done));
    }
    const bool is_listening = order.what == WorkerOrder::What::listen;
    for (UdpFront& front : udp) front.set_listening(is_listening);
    tcp.set_listening(is_listening);
    if (!is_listening) end_xdp();
    for (XdpQueue& queue : order.queues) xdp.emplace_back(loop, std::move(queue), answers);
    order.done();
  }

  // The hook is gone: what it let through until then is answered.
  void end_xdp() {
    for (XdpFront& front : xdp) front.drain();
    xdp.clear();
  }

  std::deque<UdpFront> udp;  // fronts hold handles: they may not move
  std::deque<XdpFront> xdp;
  TcpFront tcp;
};

}  // namespace

Answers::Answers(const Published<Snapshot>& snapshots, WorkerCounters& counters, unsigned workers,
                 TransferDesk::Notified notified, TapPoint* tap)
    : reader_(snapshots),
      counters_(counters),
      reported_(reader_.shared()),
      workers_(workers),
      tap_(tap),
      desk_(counters, std::move(notified)) {
  limiter_.configure(reader_.get().options.rate_limit, workers_);
  far_ = far_tables(reader_.get());
  sightings_.reserve(kSightings);
}

void Answers::refresh(const Loop& loop) {
  const std::uint64_t before = reader_.get().generation;
  reader_.refresh();
  const Snapshot& snapshot = reader_.get();
  if (snapshot.generation != before) {
    limiter_.configure(snapshot.options.rate_limit, workers_);
    far_ = far_tables(snapshot);
  }
  now_ = loop.now();
  loop_ = &loop;
  refreshed_ = loop.wall();
  unix_seconds_ = static_cast<std::uint32_t>(unix_nanos(refreshed_) / 1'000'000'000);
}

// A batch was received when it was looked at first; each answer is made in its own time.
void Answers::show(const TapFlow& flow, Bytes query, Bytes sent, const Reply& reply) noexcept {
  TapRecord record;
  record.flow = flow;
  record.received = refreshed_;
  record.answered = loop_->wall();
  tap_->note(reader_.get(), record, query, sent, reply);
}

// A new second brings a new share.
bool Answers::may_sign() noexcept {
  if (unix_seconds_ != signing_second_) {
    signing_second_ = unix_seconds_;
    may_be_signed_ = kOnlineSignaturesPerSecond;
  }
  return may_be_signed_ > 0;
}

void Answers::sign(Request& request, MutableBytes out, Reply& reply) noexcept {
  const OnlineDenial& denial = *reply.unsigned_denial;
  if (denial.key->sign(denial, out.first(reply.size))) {
    --may_be_signed_;
    counters_.online_signed.add();
    return;
  }
  // The chain's records were signed ahead.
  request.may_leave_unsigned = false;
  reply = answer(reader_.get(), request, out);
}

Reply Answers::reply_to(Bytes query, const Address& sender, Transport transport,
                        MutableBytes out) noexcept {
  Request request{query, sender, transport, unix_seconds_};
  request.may_leave_unsigned = may_sign();
  Reply reply = answer(reader_.get(), request, out);
  counters_.count(reply, transport);
  if (reply.lacked_signature) counters_.online_refused.add();
  if (reply.needs_desk) serve_at_desk(request, out, reply);
  if (reply.size != 0) sight(query, sender);
  const bool is_unproven =
      transport == Transport::udp && reply.cookie != CookieVerdict::good && reply.size != 0;
  if (is_unproven && limiter_.is_on()) limit(request, out, reply);
  if (reply.unsigned_denial && reply.size != 0) sign(request, out, reply);
  // Between a new topology and the next report ids would mix: those few queries are not counted.
  if (reply.service && !has_new_topology()) {
    if (!demand_.count(*reply.service, reply.client_network, sender)) counters_.demand_lost.add();
    if (reply.is_chosen && until_sample_-- == 0) sample(reply, sender);
  }
  return reply;
}

void Answers::serve_at_desk(const Request& request, MutableBytes out, Reply& reply) {
  auto served = desk_.serve(reader_.shared(), request);
  if (!served || served->reply.size() > out.size()) return;
  std::copy(served->reply.begin(), served->reply.end(), out.begin());
  reply.size = served->reply.size();
  reply.opt_at = 0;               // the signature is the last record
  reply.unsigned_denial.reset();  // whatever had to be signed was not sent
  transfer_ = std::move(served->transfer);
}

void Answers::limit(Request request, MutableBytes out, Reply& reply) noexcept {
  switch (limiter_.count(request.sender, now_)) {
    case RateLimiter::Verdict::send:
      return;
    case RateLimiter::Verdict::drop:
      counters_.rate_dropped.add();
      reply.size = 0;
      return;
    case RateLimiter::Verdict::truncate:
      counters_.rate_truncated.add();
      request.must_truncate = true;
      reply = answer(reader_.get(), request, out);
  }
}

// Who looks up the name of a beacon's task; it never allocates.
void Answers::sight(Bytes query, const Address& resolver) noexcept {
  const auto task = reader_.get().options.beacon.task_of(query, unix_seconds_);
  if (!task) return;
  const Sighting seen{*task, resolver};
  if (!sightings_.empty() && sightings_.back() == seen) return;
  if (sightings_.size() == kSightings) return counters_.sightings_lost.add();
  sightings_.push_back(seen);
}

// Which site is named may depend on the type asked for, which samples do not tell: of such an answer only
// one that any type would have got is a sample.
void Answers::sample(const Reply& reply, const Address& sender) noexcept {
  until_sample_ = kSampleEvery - 1;
  if (sampled_ == kSamples) return;
  const Snapshot& snapshot = reader_.get();
  const routing::Service& service = snapshot.topology->services[reply.service->index()];
  const auto nameable = routing::nameable_sites(snapshot.sites, *reply.service,
                                                routing::sites_of(service), service.on_all_down);
  routing::NamedSites named;
  const auto choice =
      routing::choose(*snapshot.table, *reply.service, reply.client, nameable.sites, named);
  if (choice.site != reply.choice.site) return;
  samples_[sampled_++] = {*reply.service,           reply.client,
                          reply.client_network,     reply.choice,
                          reader_.get().generation, reply.client == sender};
}

DemandReport Answers::report() {
  DemandReport report;
  report.topology = reported_->topology;
  report.demand = demand_.take();
  report.decisions.assign(samples_, samples_ + sampled_);
  report.sightings.assign(sightings_.begin(), sightings_.end());
  report.beacon_zone = reader_.get().options.beacon.zone;
  sightings_.clear();
  sampled_ = 0;
  until_sample_ = 0;
  reported_ = reader_.shared();
  return report;
}

void AnswerWorker::run(Loop& loop, std::vector<WorkerSockets> sockets,
                       const Published<Snapshot>& snapshots, WorkerCounters& counters,
                       const Settings& settings) {
  Answers answers(snapshots, counters, settings.workers, settings.notified, settings.tap);
  UdpBatch batch;
  Fronts fronts(loop, answers,
                {settings.tcp_connections, settings.tcp_per_client, settings.tcp_idle});
  for (WorkerSockets& socket : sockets) {
    if (socket.udp) fronts.udp.emplace_back(loop, std::move(socket.udp), answers, batch);
    if (socket.tcp) fronts.tcp.listen(std::move(socket.tcp), socket.is_tls);
  }
  Timer report_timer(loop, [&] {
    answers.refresh(loop);
    DemandReport report = answers.report();
    const bool is_news = !report.demand.empty() || !report.sightings.empty();
    if (is_news && settings.report) settings.report(std::move(report));
  });
  report_timer.start(kReportInterval, kReportInterval);
  Mailbox<WorkerOrder> orders(loop, [&](std::vector<WorkerOrder> given) {
    for (WorkerOrder& order : given) fronts.obey(std::move(order), loop, answers);
  });
  if (settings.opened) settings.opened(orders);
  loop.run();
  fronts.end_xdp();
}

}  // namespace isochrone::dns
