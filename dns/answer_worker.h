// SPDX-License-Identifier: Apache-2.0
//
// AnswerWorker: one thread that answers on its own sockets, and what it saw while doing so.
//
// Threads:  everything here belongs to the worker's loop, except counters, which anyone may read.
// Cost:     per query: answer(), a few counters, one slot of the demand table. Nothing is allocated;
//           the snapshot is looked at once per batch.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/ip.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "base/published.h"
#include "dns/answer.h"
#include "dns/counters.h"
#include "dns/demand_table.h"
#include "dns/look_ahead.h"
#include "dns/rate_limit.h"
#include "dns/snapshot.h"
#include "dns/tap_point.h"
#include "dns/transfer_desk.h"
#include "dns/xdp_port.h"

namespace isochrone::dns {

// The sockets of one worker for one listening address.
struct WorkerSockets {
  Fd udp;  // none where TLS is spoken
  Fd tcp;
  bool is_tls = false;
};

// What the fronts call for each message.
class Answers {
 public:
  // `workers`: how many share the rate limit. `tap` may be null: then nothing is logged.
  Answers(const Published<Snapshot>& snapshots, WorkerCounters& counters, unsigned workers,
          TransferDesk::Notified notified, TapPoint* tap = nullptr);

  // Takes the newest snapshot and the time: once per batch.
  void refresh(const Loop& loop);
  // Of a batch, before its first query is answered.
  void prepare(std::span<const Bytes> queries) const noexcept {
    look_ahead(reader_.get(), far_, queries);
  }
  Reply reply_to(Bytes query, const Address& sender, Transport transport,
                 MutableBytes out) noexcept;
  // Where a tap is, each query is shown to it with what was sent back, nothing perhaps.
  bool is_tapped() const noexcept { return tap_ != nullptr; }
  void show(const TapFlow& flow, Bytes query, Bytes sent, const Reply& reply) noexcept;
  // The zone transfer that the last query began, if it did; its messages follow that query's reply,
  // which is empty.
  std::unique_ptr<TransferOut> take_transfer() noexcept { return std::move(transfer_); }
  // Null without a certificate.
  std::shared_ptr<const TlsContext> tls() const { return reader_.get().tls; }
  std::uint32_t unix_seconds() const noexcept { return unix_seconds_; }
  WorkerCounters& counters() noexcept { return counters_; }

  // What was counted since the last report, ids as of the snapshot it was counted under; and from
  // now on by the current one. A flush that finds another topology than the counts' loses nothing.
  DemandReport report();
  bool has_new_topology() const noexcept {
    return reported_->topology != reader_.shared()->topology;
  }

 private:
  void sample(const Reply& reply, const Address& sender) noexcept;
  void sight(Bytes query, const Address& resolver) noexcept;
  void serve_at_desk(const Request& request, MutableBytes out, Reply& reply);
  void limit(Request request, MutableBytes out, Reply& reply) noexcept;
  bool may_sign() noexcept;
  // Signs a compact denial, or answers again without.
  void sign(Request& request, MutableBytes out, Reply& reply) noexcept;

  Published<Snapshot>::Reader reader_;
  WorkerCounters& counters_;
  std::shared_ptr<const Snapshot> reported_;
  unsigned workers_;
  TapPoint* const tap_;
  const Loop* loop_ = nullptr;  // of the last refresh
  Instant refreshed_{};
  FarTables far_;
  std::uint32_t unix_seconds_ = 0;  // as of the last refresh
  std::uint32_t signing_second_ = 0;
  unsigned may_be_signed_ = 0;  // in that second
  Monotonic now_{};
  RateLimiter limiter_;
  TransferDesk desk_;
  std::unique_ptr<TransferOut> transfer_;
  DemandTable demand_;
  // One decision in kSampleEvery and the first of each second, at most kSamples a second.
  static constexpr unsigned kSampleEvery = 1'000;
  static constexpr std::size_t kSamples = 16;
  DecisionCount samples_[kSamples];
  std::size_t sampled_ = 0;
  unsigned until_sample_ = 0;
  // Of beacon tasks, between two reports: what browsers and resolvers ask twice is there twice.
  static constexpr std::size_t kSightings = 1'024;
  std::vector<Sighting> sightings_;
};

// What a worker is told while it runs; `done` is called in its thread once it is so.
struct WorkerOrder {
  enum class What : std::uint8_t { listen, stop_listening, drain };
  What what = What::listen;
  std::vector<XdpQueue> queues;  // to be listened on, too
  std::function<void()> done;
};

class AnswerWorker {
 public:
  struct Settings {
    unsigned workers = 1;
    std::size_t tcp_connections = 0;  // this worker's share
    std::size_t tcp_per_client = 0;
    Millis tcp_idle{0};
    TapPoint* tap = nullptr;                   // this worker's, or none
    TransferDesk::Notified notified;           // called in the worker's thread
    std::function<void(DemandReport)> report;  // called in the worker's thread, about once a second
    // Called in the worker's thread before it answers; orders are taken until its loop is stopped.
    std::function<void(Mailbox<WorkerOrder>&)> opened;
  };

  // Runs in the worker's thread until its loop is stopped.
  static void run(Loop& loop, std::vector<WorkerSockets> sockets,
                  const Published<Snapshot>& snapshots, WorkerCounters& counters,
                  const Settings& settings);
};

}  // namespace isochrone::dns
