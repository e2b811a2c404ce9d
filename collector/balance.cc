// SPDX-License-Identifier: Apache-2.0
#include "collector/balance.h"

#include <algorithm>
#include <cmath>

#include "routing/policy.h"
#include "routing/site_states.h"

namespace isochrone::collector {
namespace {

using routing::Room;
using routing::ServiceId;
using routing::SiteId;
using routing::SiteMask;

// Every resolver asks once per TTL: over four of them a network's rate is known.
constexpr int kTtls = 4;
constexpr Seconds kLeastMemory{60};
// A network that was silent for so many memories asks for next to nothing (e^-5).
constexpr int kForgotten = 5;

double seconds(Nanos nanos) { return std::chrono::duration<double>(nanos).count(); }

Seconds memory_of(const routing::Service& service) {
  return std::max(kLeastMemory, service.ttl * kTtls);
}

// Those that fences and pins leave to the network.
SiteMask sites_for(const routing::Service& service, const Prefix& network) {
  const SiteMask all = routing::sites_of(service);
  const routing::Term* term = service.terms ? service.terms->around(network) : nullptr;
  if (term == nullptr) return all;
  return term->pin ? routing::site_bit(*term->pin) : all & term->allowed;
}

}  // namespace

// One network of one service, and where it could be served.
struct Balance::Network {
  Key key;
  double demand = 0;
  std::optional<SiteId> now;
  bool is_placed = false;
  std::vector<routing::Offer> offers;
};

std::size_t Balance::KeyHash::operator()(const Key& key) const noexcept {
  return hash_bits(std::hash<Prefix>{}(key.prefix), key.service.value());
}

Balance::Balance(const routing::Topology& topology)
    : topology_(topology), loads_(topology.sites.size()), sites_(topology.sites.size()) {
  for (const routing::Site& site : topology.sites) {
    is_bounded_ = is_bounded_ || site.capacity > 0 || site.commit > 0;
  }
}

void Balance::asked(const event::Demand& demand, Instant now) {
  const auto service = topology_.find_service(demand.service);
  if (!is_bounded_ || !service) return;
  const Key key{demand.prefix, *service};
  auto found = rates_.find(key);
  if (found == rates_.end()) {
    if (rates_.size() >= kMaxNetworks) return;
    // It asks once per TTL: what is seen at first stands for that long.
    const Nanos first = std::max<Nanos>(demand.interval, topology_.services[service->index()].ttl);
    found = rates_.emplace(key, Rate{0, now - first, now}).first;
  }
  Rate& rate = found->second;
  const double memory = seconds(memory_of(topology_.services[service->index()]));
  rate.per_second =
      rate.per_second * std::exp(-seconds(now - rate.at) / memory) + demand.queries / memory;
  rate.at = now;
}

void Balance::carried(const event::Load& load, Instant) {
  if (const auto site = topology_.find_site(load.site)) loads_[site->index()] = load;
}

double Balance::rate(const Rate& rate, ServiceId service, Instant now) const {
  const double memory = seconds(memory_of(topology_.services[service.index()]));
  // What has been seen of the memory so far, a second at least.
  const double seen = std::max(seconds(now - rate.since), 1.0);
  return rate.per_second * std::exp(-seconds(now - rate.at) / memory) /
         (1 - std::exp(-seen / memory));
}

std::vector<Room> Balance::rooms() const {
  std::vector<Room> rooms;
  for (std::size_t i = 0; i < topology_.sites.size(); ++i) {
    const routing::Site& site = topology_.sites[i];
    Room room;
    if (site.capacity > 0) room.capacity = static_cast<double>(site.capacity);
    // What a site says of itself is nearer to the truth than what was configured.
    if (loads_[i] && loads_[i]->capacity > 0) {
      room.capacity = static_cast<double>(loads_[i]->capacity);
    }
    if (site.commit > 0) {
      room.commit = static_cast<double>(site.commit);
      room.beyond = site.beyond_commit;
    }
    rooms.push_back(room);
  }
  return rooms;
}

// Nobody is sent where resolvers still go whose answer has changed; who is there stays.
void Balance::reserve(std::vector<Room>& rooms, Instant now) {
  std::erase_if(leaving_, [&](const Leaving& one) { return one.until <= now; });
  std::vector<double> leaving(rooms.size(), 0);
  for (const Leaving& one : leaving_) leaving[one.site.index()] += one.demand;
  for (std::size_t i = 0; i < rooms.size(); ++i) {
    rooms[i].capacity =
        std::max(rooms[i].capacity - leaving[i], std::min(rooms[i].capacity, sites_[i].planned));
  }
}

// Requests that a query stands for: what sites carry over what is asked for; 1 while none says.
double Balance::weight(Instant now) const {
  double offered = 0;
  for (const auto& load : loads_) {
    if (!load) return 1;  // what a silent site carries is not known
    offered += static_cast<double>(load->offered);
  }
  double asked = 0;
  for (const auto& [key, rate] : rates_) asked += this->rate(rate, key.service, now);
  return offered > 0 && asked > 0 ? offered / asked : 1;
}

std::vector<Balance::Network> Balance::networks(const routing::PerformanceState& state,
                                                const routing::PersistenceOf& persistence,
                                                SiteMask up, Instant now) {
  std::vector<Network> networks;
  const double each = weight(now);
  std::erase_if(rates_, [&](const auto& entry) {
    const Seconds memory = memory_of(topology_.services[entry.first.service.index()]);
    return now - entry.second.at > memory * kForgotten;
  });
  for (const auto& [key, rate] : rates_) {
    const routing::PrefixState* known = state.find(key.prefix);
    if (known == nullptr) continue;
    const routing::Service& service = topology_.services[key.service.index()];
    Network network{key, this->rate(rate, key.service, now) * each, {}, false, {}};
    for (const routing::Preference& held : known->preferences) {
      if (held.service != key.service) continue;
      network.now = held.site;
      network.is_placed = held.placed.has_value();
    }
    const SiteMask sites = sites_for(service, key.prefix);
    const routing::Persistence& lasts = persistence(key.prefix);
    for (const routing::PathState& path : known->paths) {
      if ((sites & routing::site_bit(path.site)) == 0 || path.estimate.samples == 0) continue;
      if ((up & routing::site_bit(path.site)) == 0) continue;
      Micros cost =
          routing::score(routing::expect(path.estimate, path.usual, now, lasts), service.objective);
      // Whoever is somewhere stays for a gain that answers would not move for either.
      if (network.now == path.site) {
        const Micros share(
            static_cast<Micros::rep>(service.min_gain_share * static_cast<double>(cost.count())));
        cost -= std::max(service.min_gain, share);
      }
      network.offers.push_back({path.site, cost});
    }
    if (!network.offers.empty()) networks.push_back(std::move(network));
  }
  std::sort(networks.begin(), networks.end(), [](const Network& a, const Network& b) {
    return a.key.prefix != b.key.prefix ? a.key.prefix < b.key.prefix
                                        : a.key.service < b.key.service;
  });
  return networks;
}

// Nothing is solved while everybody can be where they are, and is there of their own.
bool Balance::is_needed(const std::vector<Network>& networks, const std::vector<Room>& rooms) {
  bool is_placed = false;
  sites_.assign(sites_.size(), Site{});
  for (const Network& network : networks) {
    is_placed = is_placed || network.is_placed;
    if (network.now) sites_[network.now->index()].planned += network.demand;
  }
  for (std::size_t i = 0; i < rooms.size(); ++i) {
    const double bound = rooms[i].beyond.count() > 0 ? std::min(rooms[i].capacity, rooms[i].commit)
                                                     : rooms[i].capacity;
    if (sites_[i].planned > bound) return true;
  }
  return is_placed;
}

std::vector<Balance::Move> Balance::plan(const routing::PerformanceState& state,
                                         const routing::PersistenceOf& persistence, SiteMask up,
                                         Instant now) {
  std::vector<Move> moves;
  if (!is_bounded_ || (now < next_ && up == up_)) return moves;
  next_ = now + kEvery;
  up_ = up;
  const std::vector<Network> all = networks(state, persistence, up, now);
  std::vector<Room> rooms = this->rooms();
  if (!is_needed(all, rooms)) return moves;
  reserve(rooms, now);
  routing::AssignmentProblem problem(rooms);
  for (const Network& network : all) problem.add(network.demand, network.offers);
  const routing::Assignment found = routing::solve(problem);
  for (std::size_t i = 0; i < sites_.size(); ++i) sites_[i] = {found.loads[i], found.prices[i]};
  for (std::size_t n = 0; n < all.size(); ++n) {
    const Network& network = all[n];
    const auto nearest = std::min_element(
        network.offers.begin(), network.offers.end(),
        [](const routing::Offer& a, const routing::Offer& b) { return a.cost < b.cost; });
    const SiteId site = found.sites[n];
    const bool has_to = site != nearest->site;
    if (has_to || network.is_placed) {
      moves.push_back(
          {network.key.prefix, network.key.service, has_to ? std::optional(site) : std::nullopt});
    }
    if (network.now && *network.now != site) {
      const Seconds ttl = topology_.services[network.key.service.index()].ttl;
      leaving_.push_back({*network.now, network.demand, now + ttl});
    }
  }
  return moves;
}

}  // namespace isochrone::collector
