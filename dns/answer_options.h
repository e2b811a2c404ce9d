// SPDX-License-Identifier: Apache-2.0
//
// AnswerOptions: what the operator decided about every answer.
//
// Threads: constant; part of each snapshot.
#pragma once

#include <cstdint>
#include <string>

#include "dns/beacon_watch.h"
#include "dns/cookie.h"
#include "dns/rate_limit.h"

namespace isochrone::dns {

struct AnswerOptions {
  bool edns_client_subnet = true;
  std::uint16_t max_udp_payload = 1232;  // fits 1280 minus headers, so never fragmented (RFC 9715)
  // A UDP reply to a sender without a good cookie is at most this many times its query; more is asked
  // for again over TCP. 0: no such limit.
  unsigned max_amplification = 3;
  CookieSecrets cookies;
  RateLimitOptions rate_limit;  // kept by the workers
  BeaconWatch beacon;           // likewise
  std::string nsid;             // RFC 5001; empty: not told
  std::string version;          // CHAOS version.bind and version.server; empty: refused
  std::string hostname;         // CHAOS hostname.bind and id.server; empty: refused
};

}  // namespace isochrone::dns
