// SPDX-License-Identifier: Apache-2.0
//
// Options of the prober role, as the configuration gives them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/http_access.h"
#include "base/ip.h"
#include "base/time.h"
#include "routing/estimate.h"

namespace isochrone::prober {

struct TargetSource {
  Prefix prefix;
  Address address;  // who answers for the prefix
};

// A filter of so many ports is 2 KB, far below what the kernel takes.
constexpr std::size_t kMaxPassivePorts = 100;

// What real clients' connections say; nothing is watched without ports and log.
struct PassiveOptions {
  std::vector<std::uint16_t> ports;  // local ports whose connections are looked at
  std::filesystem::path log;   // of a web server, each line ending with an RTT in microseconds
  unsigned address_field = 1;  // which word of its lines is the client's address
  Millis interval{10'000};     // connections are looked at, and networks told of, this often

  bool is_on() const { return !ports.empty() || !log.empty(); }
  friend bool operator==(const PassiveOptions&, const PassiveOptions&) = default;
};

struct Options {
  std::string site;                       // the site this prober stands in
  std::vector<Address> source_addresses;  // at most one per family; absent: the kernel chooses
  // In order of preference.
  std::vector<routing::Method> methods{routing::Method::icmp, routing::Method::tcp,
                                       routing::Method::dns, routing::Method::hop};
  std::uint16_t tcp_port = 80;
  Millis round_interval{10'000};            // a round starts this often
  unsigned probes_per_round = 3;            // per target
  std::uint32_t rate_pps = 1'000;           // over all targets
  std::uint32_t rate_per_network_pps = 10;  // to one client network (/24, /48)
  Millis timeout{1'500};                    // after it an answer is lost
  std::vector<TargetSource> targets;        // besides what the collector asks for
  std::vector<Prefix> opt_out;              // never probed, whoever asks
  bool allow_private = false;               // RFC 1918, loopback, link-local, test networks
  std::string contact;                      // in every ICMP probe: where to complain; may be empty
  Millis heartbeat{1'000};
  HttpAccess collector;
  PassiveOptions passive;
};

}  // namespace isochrone::prober
