// SPDX-License-Identifier: Apache-2.0
//
// dns_state: writes the snapshot file of a dns role that knows one measured path for each network, so that
// a benchmark needs no collector beside the server it measures.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>

#include "base/ip.h"
#include "base/text.h"
#include "dns/snapshot_file.h"

namespace {

using namespace isochrone;

// Sites s0, s1, ... with these addresses, and one service.
routing::Topology make_topology(const std::string& service, std::string_view addresses) {
  routing::Topology topology;
  routing::Service routed;
  routed.name = service;
  for (const auto text : split(addresses, ',')) {
    const auto address = Address::parse(text);
    if (!address) return {};
    const auto number = topology.sites.size();
    topology.sites.push_back({"s" + std::to_string(number), {}, {*address}});
    routed.sites.emplace_back(static_cast<std::uint16_t>(number));
  }
  topology.services.push_back(std::move(routed));
  return topology;
}

// Lines of PREFIX ADDRESS: the site with that address answers the prefix after 10 ms.
bool read_state(const std::string& file, const routing::Topology& topology, dns::NodeState& state) {
  std::ifstream in(file);
  std::string prefix_text;
  std::string address_text;
  while (in >> prefix_text >> address_text) {
    const auto prefix = Prefix::parse(prefix_text);
    const auto address = Address::parse(address_text);
    if (!prefix || !address) return false;
    std::uint16_t number = 0;
    while (number < topology.sites.size() && topology.sites[number].addresses[0] != *address) {
      ++number;
    }
    if (number == topology.sites.size()) return false;
    routing::PrefixState known;
    known.prefix = *prefix;
    known.version = 1;
    routing::Estimate estimate;
    estimate.min = estimate.p50 = estimate.p90 = Micros(10'000);
    estimate.at = from_unix_nanos(1'700'000'000'000'000'000);
    estimate.samples = 10;
    known.set(routing::SiteId(number), estimate);
    known.prefer(routing::ServiceId(0), routing::SiteId(number));
    state.performance.put(known);
  }
  return in.eof();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::puts("usage: bench_dns_state NETWORKS SERVICE ADDRESS,ADDRESS,... SNAPSHOT");
    return 2;
  }
  const auto topology = make_topology(argv[2], argv[3]);
  dns::NodeState state;
  if (topology.sites.empty() || !read_state(argv[1], topology, state)) {
    std::cerr << "bench_dns_state: a line of " << argv[1] << " is not PREFIX ADDRESS of a site\n";
    return 1;
  }
  const auto written = dns::write_snapshot(argv[4], dns::encode_snapshot(state, topology));
  if (!written) std::cerr << "bench_dns_state: " << written.error().text() << "\n";
  return written ? 0 : 1;
}
