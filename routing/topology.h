// SPDX-License-Identifier: Apache-2.0
//
// Topology: the sites that can serve and the services they serve, as configured.
//
// Threads:    immutable once built.
// Invariant:  every SiteId in a service indexes sites; names are unique; at most kMaxSites sites,
//             so that the up sites fit one SiteMask word.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/time.h"
#include "routing/site_mask.h"
#include "routing/terms.h"

namespace isochrone::routing {

// More than any client tries; eight sites with two addresses each still fit the smallest UDP answer.
constexpr std::size_t kMaxNamedSites = 8;

// Degrees, north and east positive.
struct Location {
  double latitude = 0;
  double longitude = 0;
};

// Great-circle distance in kilometres (haversine, mean radius 6371.0088 km).
double distance_km(const Location& a, const Location& b);

struct Site {
  std::string name;
  std::optional<Location> location;
  std::vector<Address> addresses;  // what answers may name, IPv4 and IPv6
  std::string host_name{};         // what aliases may lead to; empty: nothing
  // What it can carry, in requests per second; 0: without bound. What is beyond `commit`, which is paid
  // for apart, counts as so much further away.
  std::uint64_t capacity = 0;
  std::uint64_t commit = 0;  // 0: nothing is apart
  Micros beyond_commit{0};
};

// What a service answers while none of its sites is alive.
enum class OnAllDown : std::uint8_t {
  all,        // as if all were up: whoever calls them dead may be wrong
  last_good,  // the sites that were up last
  nodata,
  servfail,
};

// What the name of a service leads to: the addresses of a site, or the site's own name.
enum class AnswerWith : std::uint8_t { addresses, host_name };

// How a service is spoken to, besides its addresses (RFC 9460).
struct Binding {
  std::vector<std::string> alpn;  // protocols, the best first; empty: the default of the scheme
  bool has_default_alpn = true;
  std::optional<std::uint16_t> port;
  std::string doh_path;  // RFC 9461; empty: none

  friend bool operator==(const Binding&, const Binding&) = default;
};

// Which RTT of a path counts, and what it loses besides: a retransmission each, or, for long downloads,
// the throughput.
enum class Objective : std::uint8_t { p50, min, p90, throughput };

std::string_view to_string(Objective objective);

struct Service {
  std::string name;           // the routed host name, lower case, no trailing dot
  std::vector<SiteId> sites;  // also the order of last resort
  Seconds ttl{30};
  OnAllDown on_all_down = OnAllDown::all;
  // A change of the best site needs a gain larger than both (hysteresis). Half a millisecond and
  // three per cent lie under what a user can notice and over what a quiet path's median wanders.
  double min_gain_share = 0.03;
  Micros min_gain{500};
  // How long a gain must last before answers move for it; gains that hurt to miss do not wait.
  Seconds dwell{10};
  Objective objective = Objective::p50;
  // Sites that differ by less stand in the service's order, so that neighbours that differ by noise
  // are one block and one cache entry. 0: in the order of what was measured.
  Micros merge_within{0};
  AnswerWith answer = AnswerWith::addresses;
  std::optional<Binding> https{};  // what HTTPS records say; without it there are none
  std::optional<Binding> svcb{};   // likewise SVCB
  // How many sites one answer names, at most kMaxNamedSites: the best, and further ones.
  unsigned count = 1;
  // Further ones only so near the best of the answer; without it, however far.
  std::optional<Micros> spread{};
  unsigned others = 0;  // of them, so many from beyond the spread
  // By place in `sites`: how equally good ones share clients; empty: the first of them has all.
  std::vector<std::uint16_t> weights{};
  // Fences and pins; null: any site may serve any client.
  std::shared_ptr<const Terms> terms{};
  // This share of client networks is answered without measurements, to know what they gain (hold_out.h).
  double hold_out = 0;

  // Whether an answer is more than the first site of a ranking.
  bool names_sets() const noexcept { return count > 1 || !weights.empty(); }
};

struct Topology {
  std::vector<Site> sites;
  std::vector<Service> services;

  std::optional<SiteId> find_site(std::string_view name) const;
  std::optional<ServiceId> find_service(std::string_view name) const;
};

}  // namespace isochrone::routing
