// SPDX-License-Identifier: Apache-2.0
//
// Plan: who is in the lab and under which address, all from special-use space (RFC 5737, RFC 2544,
// RFC 3849), so that a mistake can never name anybody real.
//
//   site i           192.0.2.i             2001:db8:1::i         i from 1
//   hub              203.0.113.1 and .53   2001:db8:2::1, ::53   the collector and the DNS node
//   resolver         198.51.100.53         2001:db8:3::53
//   client           .10 or ::10 of the first client network, a person's place to stand; in the
//   other
//                    family 2001:db8:3::10 or 198.51.100.10
//   client networks  /24s of 198.18.0.0/15, or 2001:db8:N::/48 with N from 0x100
//
// Pure:    the same matrix, sizes and seed give the same plan.
// Threads: immutable once made.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "lab/matrix.h"

namespace isochrone::lab {

constexpr std::size_t kMaxSites = 64;      // as many as a topology may have
constexpr std::size_t kMaxNetworks = 512;  // the /24s of 198.18.0.0/15

// The client network that the node `client` stands in.
constexpr std::size_t kClientNetwork = 0;

// Sends every UDP packet back after exactly this long: what the lab measures its own error with.
constexpr Address kYardstick = Address::v4(203, 0, 113, 250);
constexpr Micros kYardstickDelay{20'000};

struct PlanOptions {
  std::size_t sites = 8;
  std::size_t clients = 480;
  double ipv6_share = 0.2;
  std::uint64_t seed = 1;
  double silent_share = 0;  // of the client networks, to ICMP; and of those as many to TCP as well
};

// What the hosts of a client network answer; DNS always.
struct Hearing {
  bool icmp = true;
  bool tcp = true;
};

enum class NodeKind : std::uint8_t { site, hub, resolver, client };
std::string_view to_string(NodeKind kind);

// One network namespace.
struct Node {
  std::string name;
  NodeKind kind = NodeKind::hub;
  std::vector<Address> addresses;  // the first of each family is what it sends from
};

struct Plan {
  std::vector<Node> nodes;             // the sites first: node i is site i
  std::vector<std::size_t> site_rows;  // in the matrix
  std::vector<Prefix> networks;
  std::vector<std::size_t> network_rows;
  std::vector<Hearing> hearings;  // by network

  std::size_t sites() const noexcept { return site_rows.size(); }
  std::optional<std::size_t> find_site(std::string_view name) const;
  std::optional<std::size_t> find_node(std::string_view name) const;
  std::optional<std::size_t> node_of(const Address& address) const;
  // Cost: arithmetic on the address, no search.
  std::optional<std::size_t> network_of(const Address& address) const;
};

// Sites are the seeded draw, out of kDraws, from which the mean client is nearest to its best site,
// as an operator would place them; the clients are seeded too, among the rows left.
Result<Plan> make_plan(const RttMatrix& matrix, const PlanOptions& options);

}  // namespace isochrone::lab
