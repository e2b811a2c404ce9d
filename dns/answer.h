// SPDX-License-Identifier: Apache-2.0
//
// answer: bytes in, snapshot in, bytes out.
//
// Purity:  no socket, clock, lock, allocation or log line; the same inputs give the same bytes. What
//          counters and demand need comes back in a plain Reply.
// Cost:    bounded: one pass over the query, at most kMaxAliases + 1 name look-ups and one routing
//          look-up per routed name met.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ip.h"
#include "dns/snapshot.h"
#include "dns/wire.h"
#include "routing/decision.h"

namespace isochrone::dns {

enum class Transport : std::uint8_t { udp, tcp };

struct Request {
  Bytes query;
  Address sender;  // where the query came from: the resolver
  Transport transport = Transport::udp;
  std::uint32_t now = 0;       // Unix seconds, for the age of cookies
  bool must_truncate = false;  // header, question and OPT alone, with TC
  bool may_leave_unsigned =
      false;  // a compact denial, which the caller signs: Reply::unsigned_denial
};

// Resolvers stop following aliases between 8 and 17; past 16 the rest is theirs to ask for.
constexpr std::size_t kMaxAliases = 16;

struct Reply {
  std::size_t size = 0;  // octets of `out` to send; 0: send nothing
  Rcode rcode = Rcode::noerror;
  bool is_truncated = false;
  bool is_shortened = false;  // truncated for being too large beside its query
  CookieVerdict cookie = CookieVerdict::none;
  std::optional<OnlineDenial> unsigned_denial;  // to be signed before the reply is sent
  bool lacked_signature = false;                // a longer denial stands for a compact one
  bool used_client_subnet = false;              // the answer depends on the query's Client Subnet
  // Where the OPT record, the last, starts; 0: there is none. For options of the transport.
  std::size_t opt_at = 0;
  bool wants_keepalive = false;
  bool wants_padding = false;
  // Signed, a transfer or a NOTIFY: transfer_desk.h may have a better answer.
  bool needs_desk = false;
  // Of a routed answer: the service, whom it was routed for, and how.
  std::optional<routing::ServiceId> service;
  Address client;         // the address the decision used
  Prefix client_network;  // what demand is counted for: Client Subnet if given, else the sender's
  routing::Choice choice{};
  bool is_chosen = false;  // the choice has a site
};

// `out` must hold 65535 octets for TCP and max_udp_payload (at least 512) for UDP.
Reply answer(const Snapshot& snapshot, const Request& request, MutableBytes out) noexcept;

}  // namespace isochrone::dns
