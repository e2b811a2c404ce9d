// SPDX-License-Identifier: Apache-2.0
#include "lab/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>

#include "base/random.h"

namespace isochrone::lab {
namespace {

// Enough draws that the best is well spread over most matrices, few enough to cost milliseconds.
constexpr int kDraws = 64;

// What a missing path costs when draws are compared: as bad as the worst that may be in a file.
constexpr Micros kUnreachable = kMaxRtt;

const Prefix kClientsV4(Address::v4(198, 18, 0, 0), 15);
const Prefix kClientsV6(Address::from_bits(Family::v6, 0x2001'0db8'0000'0000, 0), 32);
constexpr std::uint64_t kFirstClientBlockV6 = 0x100;

Address v6(std::uint64_t block, std::uint64_t host) {
  return Address::from_bits(Family::v6, 0x2001'0db8'0000'0000 | (block << 16), host);
}

Prefix network_prefix(std::size_t index, bool is_v6) {
  if (is_v6) return {v6(kFirstClientBlockV6 + index, 0), kClientPrefixLengthV6};
  const std::uint64_t bits = kClientsV4.address().high() | (std::uint64_t{index} << 40);
  return {Address::from_bits(Family::v4, bits, 0), kClientPrefixLengthV4};
}

std::vector<std::size_t> shuffled_rows(std::size_t rows, Random& random) {
  std::vector<std::size_t> order(rows);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = rows; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

// The sum over all rows of the RTT from the nearest of `sites`.
std::int64_t remoteness(const RttMatrix& matrix, std::span<const std::size_t> sites) {
  std::int64_t sum = 0;
  for (std::size_t column = 0; column < matrix.columns(); ++column) {
    Micros best = kUnreachable;
    for (const std::size_t site : sites) {
      best = std::min(best, matrix.rtt(site, column).value_or(kUnreachable));
    }
    sum += best.count();
  }
  return sum;
}

// Rows in a drawn order whose first `sites` are the best placed of all draws.
std::vector<std::size_t> draw_rows(const RttMatrix& matrix, std::size_t sites, std::uint64_t seed) {
  Random random(seed);
  std::vector<std::size_t> best;
  std::int64_t best_sum = std::numeric_limits<std::int64_t>::max();
  for (int draw = 0; draw < kDraws; ++draw) {
    auto order = shuffled_rows(matrix.rows(), random);
    const std::int64_t sum = remoteness(matrix, std::span(order).first(sites));
    if (sum < best_sum) {
      best_sum = sum;
      best = std::move(order);
    }
  }
  return best;
}

Result<void> check_sizes(const RttMatrix& matrix, const PlanOptions& options) {
  if (matrix.rows() != matrix.columns()) {
    return fail(Errc::invalid, fmt::format("the matrix has {} rows of {} values; the lab needs a "
                                           "square one, where row and column i are the same node",
                                           matrix.rows(), matrix.columns()));
  }
  if (options.sites < 1 || options.sites > kMaxSites) {
    return fail(Errc::invalid, fmt::format("{} sites; choose 1 to {}", options.sites, kMaxSites));
  }
  if (options.clients < 1 || options.clients > kMaxNetworks) {
    return fail(Errc::invalid,
                fmt::format("{} client networks; choose 1 to {}", options.clients, kMaxNetworks));
  }
  if (options.sites + options.clients > matrix.rows()) {
    return fail(Errc::invalid,
                fmt::format("{} sites and {} client networks need {} rows, the matrix has {}",
                            options.sites, options.clients, options.sites + options.clients,
                            matrix.rows()));
  }
  if (!(options.ipv6_share >= 0 && options.ipv6_share <= 1)) {
    return fail(Errc::invalid, "the IPv6 share of the client networks lies between 0 and 1");
  }
  return {};
}

// Evenly spread: number i is in when the running share crosses a whole number there.
bool is_in_share(std::size_t i, double share) {
  return std::floor(static_cast<double>(i + 1) * share) >
         std::floor(static_cast<double>(i) * share);
}

void add_networks(Plan& plan, std::span<const std::size_t> rows, const PlanOptions& options) {
  std::size_t silent = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    plan.networks.push_back(network_prefix(i, is_in_share(i, options.ipv6_share)));
    plan.network_rows.push_back(rows[i]);
    Hearing hearing;
    hearing.icmp = !is_in_share(i, options.silent_share);
    if (!hearing.icmp) hearing.tcp = !is_in_share(silent++, options.silent_share);
    plan.hearings.push_back(hearing);
  }
}

void add_nodes(Plan& plan) {
  constexpr std::uint64_t kHubBlock = 2;
  constexpr std::uint64_t kResolverBlock = 3;
  for (std::size_t i = 1; i <= plan.sites(); ++i) {
    plan.nodes.push_back({fmt::format("s{}", i),
                          NodeKind::site,
                          {Address::v4(192, 0, 2, static_cast<std::uint8_t>(i)), v6(1, i)}});
  }
  plan.nodes.push_back({"hub",
                        NodeKind::hub,
                        {Address::v4(203, 0, 113, 1), Address::v4(203, 0, 113, 53),
                         v6(kHubBlock, 1), v6(kHubBlock, 0x53)}});
  plan.nodes.push_back(
      {"resolver", NodeKind::resolver, {Address::v4(198, 51, 100, 53), v6(kResolverBlock, 0x53)}});
  const Address base = plan.networks[kClientNetwork].address();
  constexpr std::uint8_t kHost = 10;
  const Address inside =
      base.is_v4() ? Address::from_bits(Family::v4, base.high() | (std::uint64_t{kHost} << 32), 0)
                   : Address::from_bits(Family::v6, base.high(), kHost);
  const Address other =
      inside.is_v4() ? v6(kResolverBlock, kHost) : Address::v4(198, 51, 100, kHost);
  plan.nodes.push_back({"client", NodeKind::client, {inside, other}});
}

}  // namespace

std::string_view to_string(NodeKind kind) {
  switch (kind) {
    case NodeKind::site:
      return "site";
    case NodeKind::hub:
      return "hub";
    case NodeKind::resolver:
      return "resolver";
    case NodeKind::client:
      return "client";
  }
  return "";
}

std::optional<std::size_t> Plan::find_node(std::string_view name) const {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].name == name) return i;
  }
  return std::nullopt;
}

std::optional<std::size_t> Plan::find_site(std::string_view name) const {
  const auto node = find_node(name);
  return node && *node < sites() ? node : std::nullopt;
}

std::optional<std::size_t> Plan::node_of(const Address& address) const {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto& own = nodes[i].addresses;
    if (std::find(own.begin(), own.end(), address) != own.end()) return i;
  }
  return std::nullopt;
}

std::optional<std::size_t> Plan::network_of(const Address& address) const {
  std::uint64_t index = 0;
  if (kClientsV4.contains(address)) {
    index = (address.high() - kClientsV4.address().high()) >> 40;
  } else if (kClientsV6.contains(address)) {
    const std::uint64_t block = (address.high() >> 16) & 0xffff;
    if (block < kFirstClientBlockV6) return std::nullopt;
    index = block - kFirstClientBlockV6;
  } else {
    return std::nullopt;
  }
  if (index >= networks.size() || !networks[index].contains(address)) return std::nullopt;
  return index;
}

Result<Plan> make_plan(const RttMatrix& matrix, const PlanOptions& options) {
  if (auto sizes = check_sizes(matrix, options); !sizes) return tl::unexpected(sizes.error());
  const auto rows = draw_rows(matrix, options.sites, options.seed);
  Plan plan;
  const auto split = rows.begin() + static_cast<std::ptrdiff_t>(options.sites);
  plan.site_rows.assign(rows.begin(), split);
  add_networks(plan, std::span(rows).subspan(options.sites, options.clients), options);
  add_nodes(plan);
  return plan;
}

}  // namespace isochrone::lab
