// SPDX-License-Identifier: Apache-2.0
//
// A small snapshot that has every kind of answer in it, for the fuzz targets of the query path.
#pragma once

#include <cstdlib>

#include "dns/follower.h"
#include "dns/snapshot.h"

namespace isochrone::fuzz {

inline dns::Snapshot make_dns_world() {
  routing::Topology topology;
  topology.sites = {{"fra", {}, {Address::v4(192, 0, 2, 1)}, "fra.example.com"},
                    {"iad", {}, {Address::v4(192, 0, 2, 2)}, "alias.example.com"}};
  topology.services.resize(3);
  for (auto& service : topology.services) service.sites = {routing::SiteId(0), routing::SiteId(1)};
  topology.services[0].name = "www.example.com";
  topology.services[1].name = "set.example.com";
  topology.services[1].count = 2;
  topology.services[1].weights = {1, 2};
  topology.services[1].min_gain = Micros(1'000'000);
  topology.services[1].spread = Micros(1'000'000);
  topology.services[1].https = routing::Binding{{"h3", "h2"}, false, std::uint16_t{8443}, {}};
  topology.services[2].name = "cdn.example.com";
  topology.services[2].answer = routing::AnswerWith::host_name;
  dns::NodeState state;
  routing::PrefixState known;
  known.prefix = Prefix(Address::v4(10, 1, 2, 0), 24);
  routing::Estimate estimate;
  estimate.p50 = estimate.min = estimate.p90 = Micros(5'000);
  estimate.samples = 10;
  known.set(routing::SiteId(1), estimate);
  known.prefer(routing::ServiceId(0), routing::SiteId(1));
  state.performance.put(known);
  dns::BuildInputs inputs;
  inputs.topology = std::make_shared<const routing::Topology>(topology);
  inputs.zones = dns::ZoneSet::parse({{"example.com",
                                       "$TTL 60\n"
                                       "@ SOA ns host 1 2 3 4 5\n"
                                       "@ NS ns\n"
                                       "ns A 192.0.2.53\n"
                                       "alias CNAME www\n"
                                       "loop1 CNAME loop2\n"
                                       "loop2 CNAME loop1\n"
                                       "*.w MX 5 mail.w\n"
                                       "a.b.deep TXT \"x\"\n"
                                       "to CNAME x.child\n"
                                       "child NS ns.child\n"
                                       "ns.child A 192.0.2.54\n"}},
                                     topology)
                     .zones;
  if (!inputs.zones) std::abort();
  return *dns::build_snapshot(inputs, state, 1);
}

}  // namespace isochrone::fuzz
