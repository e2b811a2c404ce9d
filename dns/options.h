// SPDX-License-Identifier: Apache-2.0
//
// Options of the dns role, as the configuration gives them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/http_access.h"
#include "base/ip.h"
#include "base/time.h"
#include "dns/answer_options.h"
#include "dns/signing_policy.h"
#include "dns/tap_options.h"
#include "dns/transfer_options.h"
#include "dns/xdp_options.h"

namespace isochrone::dns {

struct ZoneSource {
  std::string name;            // lower case, no trailing dot
  std::filesystem::path file;  // a master file, or where the version from the primaries is kept
  std::optional<SigningPolicy> signing = std::nullopt;  // absent: not signed
  bool is_secondary = false;
  TransferOptions transfer = {};
};

struct Options {
  std::vector<Endpoint> listen;
  unsigned workers = 1;  // threads, each with its own socket per endpoint
  AnswerOptions answers;
  // Secrets of DNS cookies, one or two lines of 32 hexadecimal digits; empty: one made at the start.
  bool cookies = true;
  std::filesystem::path cookie_secret_file;
  unsigned tcp_connections = 1000;  // in all; a client that would exceed it waits in the backlog
  unsigned tcp_per_client = 100;    // of one address, in one worker
  // DNS over TLS; certificate chain and key in PEM where it is spoken.
  std::vector<Endpoint> tls_listen;
  std::filesystem::path tls_certificate;
  std::filesystem::path tls_key;
  XdpOptions xdp;
  TapOptions tap;
  Millis tcp_idle{10'000};  // RFC 7766 section 6.2.3: in the order of seconds
  std::vector<ZoneSource> zones;
  std::vector<TsigKeySource> keys;
  unsigned max_transfers = 10;      // sent at once, over all workers
  std::filesystem::path state_dir;  // where the snapshot lives
  std::string node_name;            // source of demand and decision events: dns-<node>
  HttpAccess collector;             // empty: never follows, answers from snapshot, geography, order
  std::filesystem::path geo_database;  // empty: no geographic prior
};

}  // namespace isochrone::dns
