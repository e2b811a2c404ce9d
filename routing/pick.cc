// SPDX-License-Identifier: Apache-2.0
#include "routing/pick.h"

#include <algorithm>
#include <bit>

#include "routing/arrange.h"
#include "routing/site_states.h"
#include "routing/stable_key.h"

namespace isochrone::routing {
namespace {

constexpr unsigned kTableBits = 6;
constexpr unsigned kFractionBits = 24;  // of logarithms
constexpr std::uint64_t kOne = std::uint64_t{1} << kFractionBits;

// log2 of 1 + i/64 by squaring: each square tells one bit of the logarithm.
constexpr std::uint32_t log2_of_step(std::uint64_t i) {
  constexpr unsigned kBits = 30;
  std::uint64_t x = (std::uint64_t{1} << kBits) + (i << (kBits - kTableBits));
  std::uint32_t log = 0;
  for (unsigned bit = 0; bit < kFractionBits; ++bit) {
    x = (x * x) >> kBits;
    log <<= 1U;
    if (x >= std::uint64_t{2} << kBits) {
      log |= 1U;
      x >>= 1U;
    }
  }
  return log;
}

constexpr auto kLog2 = [] {
  std::array<std::uint32_t, (1U << kTableBits) + 1> table{};
  for (std::size_t i = 0; i < table.size() - 1; ++i) table[i] = log2_of_step(i);
  table.back() = static_cast<std::uint32_t>(kOne);
  return table;
}();

// -log2 of a number between 0 and 1 given by its bits, straight lines between steps: at most
// 1 / (8 * 64^2 * ln 2) = 0.00005 wrong, so that shares are right to a ten-thousandth.
std::uint64_t minus_log2(std::uint64_t bits) noexcept {
  const auto zeros = static_cast<unsigned>(std::countl_zero(bits | 1));
  const std::uint64_t mantissa = (bits | 1) << zeros << 1;  // behind the leading one
  const std::size_t step = mantissa >> (64 - kTableBits);
  const std::uint64_t between = (mantissa << kTableBits) >> (64 - kFractionBits);
  const std::uint64_t log =
      kLog2[step] + (((kLog2[step + 1] - kLog2[step]) * between) >> kFractionBits);
  return (std::uint64_t{zeros} + 1) * kOne - log;
}

// One site in the race of a client network: the time until it arrives is exponential with its weight as
// rate, so it comes first with the probability that its weight says, whoever else runs.
struct Runner {
  SiteId site;
  std::uint64_t time = 0;  // times its weight
  std::uint64_t weight = 1;

  friend bool operator<(const Runner& a, const Runner& b) {
    return a.time * b.weight < b.time * a.weight;  // below 2^31 * 2^16
  }
};

// Puts the sites of one group into the order of this network.
void race(const SetPolicy& policy, std::span<SiteId> group, std::uint64_t network) noexcept {
  std::array<Runner, kMaxSites> runners;
  for (std::size_t i = 0; i < group.size(); ++i) {
    const SetPolicy::Weight& weight = policy.weights[group[i].index()];
    const Runner runner{group[i], minus_log2(hash_bits(network, weight.key)), weight.weight};
    std::size_t at = i;
    for (; at > 0 && runner < runners[at - 1]; --at) runners[at] = runners[at - 1];
    runners[at] = runner;
  }
  for (std::size_t i = 0; i < group.size(); ++i) group[i] = runners[i].site;
}

// Takes sites in order until the places of one answer are filled.
class Set {
 public:
  Set(const SetPolicy& policy, std::span<const SiteMask> near) noexcept
      : near_places_(policy.count - policy.others), other_places_(policy.others), near_(near) {}

  // `place` is the site's in the ranking.
  void offer(SiteId site, std::size_t place) noexcept {
    if (is_first_) near_mask_ = near_.empty() ? kAllSites : near_[place];
    is_first_ = false;
    if ((near_mask_ & site_bit(site)) == 0) {
      if (others_ < other_places_) other_[others_++] = site;
    } else if (nears_ < near_places_ + other_places_) {
      near_sites_[nears_++] = site;
    }
  }

  bool is_full() const noexcept { return nears_ >= near_places_ && (others_ == other_places_); }

  void give(NamedSites& to) const noexcept {
    const std::size_t nears = std::min(nears_, near_places_ + other_places_ - others_);
    for (std::size_t i = 0; i < nears; ++i) to.sites[to.size++] = near_sites_[i];
    for (std::size_t i = 0; i < others_; ++i) to.sites[to.size++] = other_[i];
  }

 private:
  const std::size_t near_places_;
  const std::size_t other_places_;
  std::span<const SiteMask> near_;
  SiteMask near_mask_ = kAllSites;
  bool is_first_ = true;
  std::size_t nears_ = 0;
  std::size_t others_ = 0;
  std::array<SiteId, kMaxNamedSites> near_sites_;
  std::array<SiteId, kMaxNamedSites> other_;
};

}  // namespace

SetPolicy SetPolicy::of(const Topology& topology, const Service& service) {
  SetPolicy policy;
  policy.count = service.count;
  policy.others = service.others;
  if (service.weights.empty()) return policy;
  policy.weights.resize(topology.sites.size());
  for (std::size_t i = 0; i < service.sites.size(); ++i) {
    const std::size_t site = service.sites[i].index();
    policy.weights[site] = {stable_key(topology.sites[site].name), service.weights[i]};
  }
  return policy;
}

SiteMask NamedSites::mask() const noexcept {
  SiteMask mask = 0;
  for (const SiteId site : all()) mask |= site_bit(site);
  return mask;
}

NamedSites pick(const SetPolicy& policy, std::span<const SiteId> order, const Marks& marks,
                SiteMask usable, const Address& client) noexcept {
  NamedSites named;
  Set set(policy, marks.near);
  const bool has_weights = !policy.weights.empty();
  const std::uint64_t network = client_network(client).address().high();
  std::array<SiteId, kMaxSites> group;
  for (std::size_t place = 0; place < order.size() && !set.is_full();) {
    const std::size_t end = has_weights ? marks.group_end(place, order.size()) : place + 1;
    std::size_t size = 0;
    for (std::size_t i = place; i < end; ++i) {
      if ((usable & site_bit(order[i])) != 0) group[size++] = order[i];
    }
    const auto members = std::span(group).first(size);
    if (size > 1) {
      race(policy, members, network);
      named.is_by_network = true;
    }
    for (const SiteId site : members) {
      const auto at =
          std::find(order.begin() + static_cast<std::ptrdiff_t>(place), order.end(), site);
      set.offer(site, static_cast<std::size_t>(at - order.begin()));
    }
    place = end;
  }
  set.give(named);
  return named;
}

std::vector<SiteId> last_resort(const Topology& topology, const Service& service, SiteMask usable) {
  if ((usable & sites_of(service)) == 0) return {};
  const Order order = Arranger(topology, service).arrange(service.sites, nullptr);
  SetPolicy policy = SetPolicy::of(topology, service);
  policy.weights.clear();
  const NamedSites named = pick(policy, order.sites, order.marks(), usable, Address());
  return {named.all().begin(), named.all().end()};
}

}  // namespace isochrone::routing
