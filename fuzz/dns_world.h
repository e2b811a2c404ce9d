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
  topology.sites = {{"fra", {}, {Address::v4(192, 0, 2, 1)}},
                    {"iad", {}, {Address::v4(192, 0, 2, 2)}}};
  topology.services.resize(1);
  topology.services[0].name = "www.example.com";
  topology.services[0].sites = {routing::SiteId(0), routing::SiteId(1)};
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
