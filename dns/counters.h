// SPDX-License-Identifier: Apache-2.0
//
// WorkerCounters: what one worker has counted.
//
// Threads: written by the worker alone, read by anyone.
#pragma once

#include <array>

#include "base/counter.h"
#include "dns/answer.h"
#include "dns/wire.h"

namespace isochrone::dns {

struct WorkerCounters {
  std::array<Counter, 2> queries;  // by Transport
  std::array<Counter, kRcodes> replies;
  std::array<Counter, 5> routed;  // by routing::Override
  Counter routed_by_subnet;
  Counter truncated;
  Counter shortened;          // of them, for being too large beside an unproven query
  Counter ignored;            // responses and runts: never answered
  Counter oversized;          // datagrams longer than the receive buffer
  Counter send_failed;        // replies the kernel did not take
  Counter xdp_queries;        // of queries over UDP, those that came by XDP
  Counter xdp_malformed;      // frames no kernel would take: lengths, checksums, senders
  Counter rate_dropped;       // replies not sent because their network had its share
  Counter rate_truncated;     // likewise, sent with TC instead
  Counter online_signed;      // denials signed for the query
  Counter online_refused;     // likewise, beyond the worker's share: answered from the chain
  Counter demand_lost;        // queries that found the demand table full
  Counter sightings_lost;     // names of beacon tasks, beyond what one report holds
  Counter tsig_refused;       // signatures that failed
  Counter transfers_begun;    // to secondaries
  Counter transfers_refused;  // and NOTIFY from strangers
  Counter tcp_accepted;
  Counter tls_accepted;  // of them
  Counter tls_failed;    // of these, ended before their handshake was complete
  Counter tcp_crowded;   // closed at once: the client had its share
  Counter tcp_timed_out;
  Counter tcp_refused;  // accept() failed for want of descriptors or memory

  void count(const Reply& reply, Transport transport) noexcept {
    queries[static_cast<std::size_t>(transport)].add();
    if (reply.size == 0) return ignored.add();
    replies[static_cast<std::size_t>(reply.rcode)].add();
    if (reply.is_truncated) truncated.add();
    if (reply.is_shortened) shortened.add();
    if (!reply.service) return;
    routed[static_cast<std::size_t>(reply.choice.override)].add();
    if (reply.used_client_subnet) routed_by_subnet.add();
  }
};

}  // namespace isochrone::dns
