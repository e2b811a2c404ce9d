// SPDX-License-Identifier: Apache-2.0
//
// TransferDesk: the requests that answer() cannot answer alone: signed ones, transfers and NOTIFY.
//
// Rules:   a transfer needs a rule of the zone that allows its sender and key, over every transport;
//          AXFR over UDP is refused; IXFR over UDP gets the newest SOA, and the rest over TCP. A TSIG
//          that fails is answered NOTAUTH with the reason, and nothing else is looked at.
// Threads: one per worker, in its loop.
// Cost:    allocates; a query that is none of these never gets here.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ip.h"
#include "dns/answer.h"
#include "dns/counters.h"
#include "dns/query.h"
#include "dns/snapshot.h"
#include "dns/transfer_out.h"
#include "dns/transfer_policy.h"

namespace isochrone::dns {

class TransferDesk {
 public:
  // A zone of which a primary says that it changed; called in the worker's thread.
  using Notified = std::function<void(Bytes apex, const Address& from)>;

  TransferDesk(WorkerCounters& counters, Notified notified)
      : counters_(counters), notified_(std::move(notified)) {}

  struct Served {
    std::vector<std::uint8_t> reply;        // to be sent; empty: nothing
    std::unique_ptr<TransferOut> transfer;  // or messages until it is done
  };
  // `request.query` is not a response. Called only when answer() said `needs_desk`.
  // Nothing: what answer() made stands.
  std::optional<Served> serve(const std::shared_ptr<const Snapshot>& snapshot,
                              const Request& request);

 private:
  struct Signed;
  std::optional<Served> serve_plain(const std::shared_ptr<const Snapshot>& snapshot,
                                    const Request& request, Signed& sign);
  Served transfer(const std::shared_ptr<const Snapshot>& snapshot, const Request& request,
                  const Query& query, Signed& sign);
  Served notify(const Snapshot& snapshot, const Request& request, const Query& query, Signed& sign);
  Served answer_signed(const Snapshot& snapshot, const Request& request, Signed& sign);

  WorkerCounters& counters_;
  Notified notified_;
  std::shared_ptr<unsigned> running_ = std::make_shared<unsigned>(0);  // transfers
};

}  // namespace isochrone::dns
