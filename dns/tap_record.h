// SPDX-License-Identifier: Apache-2.0
//
// TapRecord: one query and its answer as a worker leaves them in a TapRing: the head, then the query, the
// answer and the name of the site.
//
// Threads:  pure.
// Cost:     put_record() copies and allocates nothing.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/ip.h"
#include "base/time.h"
#include "dns/tap_ring.h"
#include "routing/decision.h"

namespace isochrone::dns {

enum class TapProtocol : std::uint8_t { udp, tcp, tls };

// Who asked whom.
struct TapFlow {
  Endpoint client;
  Endpoint server;
  TapProtocol protocol = TapProtocol::udp;
};

// Why a routed answer was what it was; the words are those of the `decision` channel.
struct TapReason {
  bool is_routed = false;  // nothing else holds otherwise
  bool is_withheld = false;
  std::uint8_t scope = 0;
  routing::Reason reason = routing::Reason::default_order;
  routing::Override override = routing::Override::none;
  std::uint64_t generation = 0;  // of the routing table
  Prefix network;                // the client's
};

struct TapRecord {
  TapFlow flow;
  Instant received{};
  Instant answered{};
  TapReason why;
  std::uint32_t query_octets = 0;   // 0: queries are not logged
  std::uint32_t answer_octets = 0;  // 0: there was none, or answers are not logged
  std::uint32_t site_octets = 0;
};

struct TapView {
  TapRecord head;
  Bytes query;
  Bytes answer;
  std::string_view site;
};

// False when the ring is full. Lengths in `head` are filled in.
bool put_record(TapRing& ring, TapRecord head, Bytes query, Bytes answer,
                std::string_view site) noexcept;
// What put_record() put there.
TapView read_record(Bytes record) noexcept;

}  // namespace isochrone::dns
