// SPDX-License-Identifier: Apache-2.0
//
// Small snapshots that have every kind of answer in them, for the fuzz targets of the query path.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "dns/cookie_secrets.h"
#include "dns/follower.h"
#include "dns/key_store.h"
#include "dns/name.h"
#include "dns/signed_zones.h"
#include "dns/snapshot.h"

namespace isochrone::fuzz {

// Within every signature of the worlds below.
constexpr std::uint32_t kUnixNow = 1'795'479'151;

inline std::string zone_text() {
  std::string text =
      "$TTL 60\n"
      "@ SOA ns host 1 2 3 4 5\n"
      "@ NS ns\n"
      "@ MX 5 mail\n"
      "@ CAA 0 issue \"ca.example.net\"\n"
      "ns A 192.0.2.53\n"
      "ns AAAA 2001:db8::53\n"
      "alias CNAME www\n"
      "far CNAME www.elsewhere.org.\n"
      "loop1 CNAME loop2\n"
      "loop2 CNAME loop1\n"
      "*.w MX 5 mail.w\n"
      "*.c CNAME www\n"
      "here.w TXT \"here\"\n"
      "a.b.deep TXT \"x\"\n"
      "old DNAME www\n"
      "over DNAME w\n"
      "svc HTTPS 1 . alpn=h2 ipv4hint=192.0.2.7\n"
      "private TYPE4711 \\# 3 010203\n"
      "to CNAME x.child\n"
      "child NS ns.child\n"
      "child DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000\n"
      "ns.child A 192.0.2.54\n"
      "plain NS ns.plain\n"
      "plain NS ns.elsewhere.org.\n"
      "ns.plain A 192.0.2.55\n";
  // More than a datagram holds, more than 512 octets hold.
  for (int i = 0; i < 40; ++i) text += "many A 198.51.100." + std::to_string(i) + "\n";
  for (int i = 0; i < 9; ++i)
    text += "big TXT \"" + std::string(200, 'x') + std::to_string(i) + "\"\n";
  return text;
}

inline routing::Topology make_topology() {
  routing::Topology topology;
  topology.sites = {{"fra", {}, {Address::v4(192, 0, 2, 1)}, "fra.example.com"},
                    {"iad", {}, {Address::v4(192, 0, 2, 2)}, "alias.example.com"}};
  topology.services.resize(4);
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
  topology.services[3].name = "v4.w.example.com";
  topology.services[3].sites = {routing::SiteId(1)};
  return topology;
}

inline dns::Snapshot make_dns_world() {
  const routing::Topology topology = make_topology();
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
  inputs.zones = dns::ZoneSet::parse({{"example.com", zone_text()}}, topology).zones;
  if (!inputs.zones) std::abort();
  inputs.options.nsid = "ns1";
  inputs.options.version = "Isochrone";
  inputs.options.cookies = dns::parse_cookie_secrets("e5e973e5a6b2a43f48e7dc849e37bfcf").value();
  return *dns::build_snapshot(inputs, state, 1);
}

// A folder with one key of example.com; gone with the process.
class Keys {
 public:
  Keys() {
    if (::mkdtemp(folder_.data()) == nullptr) std::abort();
    const auto key = dns::SigningKey::generate(*dns::name_from_text("example.com"),
                                               dns::KeyAlgorithm::ed25519, {});
    if (!key || !dns::KeyStore(folder_).save(*key)) std::abort();
  }
  ~Keys() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_ = (std::filesystem::temp_directory_path() / "isochrone-fuzz-XXXXXX").string();
};

// Signs the zones of `snapshot`.
inline std::vector<Error> sign_world(dns::Snapshot& snapshot, dns::Denial denial) {
  static const Keys keys;
  dns::SigningPolicy policy;
  policy.denial = denial;
  policy.keys = keys.folder();
  const auto now = from_unix_nanos(std::int64_t{kUnixNow} * 1'000'000'000);
  auto made = dns::SignedZones::sign(snapshot.zones, {{"example.com", policy}}, now, nullptr);
  snapshot.signatures = made.zones;
  return made.errors;
}

// Unsigned, and signed with each way to deny.
inline const std::vector<dns::Snapshot>& dns_worlds() {
  static const std::vector<dns::Snapshot> worlds = [] {
    std::vector<dns::Snapshot> all(4, make_dns_world());
    const bool are_signed = sign_world(all[1], dns::Denial::nsec).empty() &&
                            sign_world(all[2], dns::Denial::nsec3).empty() &&
                            sign_world(all[3], dns::Denial::compact).empty();
    if (!are_signed) std::abort();
    return all;
  }();
  return worlds;
}

}  // namespace isochrone::fuzz
