// SPDX-License-Identifier: Apache-2.0
//
// The words dns tests speak: a small world of zones and sites, questions from texts, and replies read
// back by ldns, which shares no code with the server.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "dns/answer.h"
#include "dns/node_state.h"
#include "dns/snapshot.h"
#include "dns/zone_set.h"
#include "routing/topology.h"

namespace isochrone::dns::testing {

inline Address address(std::string_view text) { return Address::parse(text).value(); }
inline Prefix prefix(std::string_view text) { return Prefix::parse(text).value(); }

inline constexpr routing::SiteId kFra{0};
inline constexpr routing::SiteId kIad{1};
inline constexpr routing::SiteId kSin{2};
inline constexpr routing::SiteMask kFraBit = 1, kIadBit = 2, kSinBit = 4;

// fra 192.0.2.1 and 2001:db8:1::1, iad 192.0.2.2, sin 192.0.2.99 and 2001:db8:3::1; services
// www.example.com (sin, fra, iad), and v4.example.com (iad alone).
routing::Topology three_sites();
// Besides, of all three sites: app.example.com with HTTPS (h3 and h2, port 8443) and SVCB records, and
// cdn.example.com, an alias of fra.sites.example.com, iad.example.org or sin.sites.example.com.
routing::Topology every_routed_type();
// example_zone() and the names that aliases lead to.
std::string zone_of_every_routed_type();
// Everything a zone can hold, at example.com.
std::string example_zone();
std::string other_zone();  // example.net

// 10.0.0.0/8 is best served by fra, 10.1.2.0/24 by iad, all else by sin: the map of ANCHORS section 1.
NodeState static_map();
// A prefix that the site serves best.
void prefer(NodeState& state, std::string_view prefix, routing::SiteId site);

std::shared_ptr<const ZoneSet> zones_of(const std::vector<ZoneSet::Text>& texts,
                                        const routing::Topology& topology);
Snapshot snapshot_of(const NodeState& state);
Snapshot snapshot_of(const NodeState& state, const std::vector<ZoneSet::Text>& texts,
                     const routing::Topology& topology);
inline Snapshot world() { return snapshot_of(static_map()); }

struct Question {
  std::string name;
  std::string type = "A";  // as in a zone file, or TYPE123
  std::uint16_t klass = 1;
  std::optional<std::uint16_t> payload = std::nullopt;  // with EDNS, this size
  std::optional<Prefix> subnet = std::nullopt;          // with EDNS and Client Subnet
  std::vector<std::uint8_t> options = {};               // more EDNS options, raw
  std::uint16_t flags = 0;
  Transport transport = Transport::udp;
  Address sender = Address::v4(198, 51, 100, 53);
  std::uint32_t now = 0;
  bool wants_dnssec = false;  // with EDNS and DO
};
std::vector<std::uint8_t> wire(const Question& question);
std::uint16_t type_number(const std::string& type);

// A reply as ldns reads it. Sections are lines of "owner TTL type data", in order.
struct Heard {
  Reply reply;
  std::vector<std::uint8_t> bytes;
  std::string rcode;  // with extended bits
  std::string flags;  // of "qr aa tc rd ra ad cd z", in this order
  std::vector<std::string> answer;
  std::vector<std::string> authority;   // SOA data is cut to its first name
  std::vector<std::string> additional;  // without OPT
  bool has_edns = false;
  std::optional<int> scope;            // of Client Subnet
  std::string subnet;                  // as echoed: "1 24 c00002"
  std::map<int, std::string> options;  // of OPT, data in hexadecimal
};
Heard hear(Bytes bytes);
Heard ask(const Snapshot& snapshot, const Question& question);
// Any bytes as a UDP query.
std::vector<std::uint8_t> send_bytes(const Snapshot& snapshot, Bytes query,
                                     Transport transport = Transport::udp);

std::vector<std::uint8_t> from_hex(std::string_view hex);
std::string to_hex(Bytes bytes);

}  // namespace isochrone::dns::testing
