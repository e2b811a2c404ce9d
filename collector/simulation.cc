// SPDX-License-Identifier: Apache-2.0
#include "collector/simulation.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/random.h"
#include "collector/core.h"
#include "routing/compile.h"
#include "routing/decision.h"

namespace isochrone::collector {
namespace {

using routing::ServiceId;
using routing::SiteId;

// Clients whose demand comes within one window: what the first groups teach, the later ones use.
constexpr std::size_t kGroups = 16;
// What a prober sends per target and round by default.
constexpr unsigned kProbes = 3;
// Where a slice has settled: an hour of rounds, in which estimates became sure.
constexpr unsigned kSettled = 600;
// A window and its lateness.
constexpr Seconds kStep{6};
constexpr std::string_view kService = "www.example.com";
const Instant kStart = from_unix_nanos(1'700'000'000'000'000'000);

Address site_address(std::size_t site) {
  return Address::v4(192, 0, 2, static_cast<std::uint8_t>(site + 1));
}

// 10.0.0.0/8 has room for 65536 networks of length 24; a matrix has fewer columns.
Prefix client_prefix(std::size_t client) {
  return {
      Address::v4(10, static_cast<std::uint8_t>(client >> 8), static_cast<std::uint8_t>(client), 0),
      24};
}

routing::Topology topology_of(const SimulationInput& input) {
  routing::Topology topology;
  routing::Service service;
  service.name = kService;
  for (std::size_t i = 0; i < input.sites.size(); ++i) {
    routing::Site site{"s" + std::to_string(i), {}, {site_address(i)}};
    if (!input.coordinates.empty()) site.location = input.coordinates[input.sites[i]];
    topology.sites.push_back(std::move(site));
    service.sites.emplace_back(static_cast<std::uint16_t>(i));
  }
  topology.services = {service};
  return topology;
}

std::shared_ptr<const routing::GeoPrior> map_of(const SimulationInput& input) {
  if (input.coordinates.empty()) return nullptr;
  std::vector<routing::GeoNetwork> networks;
  for (std::size_t i = 0; i < input.clients.size(); ++i) {
    networks.push_back({client_prefix(i), input.coordinates[input.clients[i]]});
  }
  return std::make_shared<routing::GeoPrior>(routing::GeoPrior::from(std::move(networks)));
}

Options options_of(const SimulationInput& input) {
  Options options;
  options.node_name = "simulation";
  options.probe_budget = input.budget;
  // A round is a slice: demand of the next slice begins the next round.
  options.target_lifetime = std::min(input.interval, Seconds(24 * 3'600));
  options.path_lifetime = Seconds(365 * 24 * 3'600);
  return options;
}

class World {
 public:
  explicit World(const SimulationInput& input)
      : input_(input),
        topology_(topology_of(input)),
        map_(map_of(input)),
        core_(options_of(input), topology_, 1),
        random_(input.seed) {
    core_.set_map(map_);
    for (std::size_t i = 0; i < input.sites.size(); ++i) {
      sites_.emplace(Prefix(site_address(i), 32), i);
      names_.emplace(topology_.sites[i].name, i);
    }
    for (std::size_t i = 0; i < input.clients.size(); ++i) clients_.emplace(client_prefix(i), i);
  }

  SimulationResult run() {
    const auto by_map = routing::compile_table(topology_, {}, map_.get(), 1);
    const auto by_order = routing::compile_table(topology_, {}, nullptr, 1);
    for (slice_ = 0; slice_ < input_.slices.size(); ++slice_) {
      now_ = kStart + input_.interval * static_cast<std::int64_t>(slice_);
      core_.advance(now_);  // what silence makes of the past; what it says is heard in settle()
      const auto before = routing::compile_table(topology_, core_.state(), map_.get(), 1);
      measure_slice();
      const auto after = routing::compile_table(topology_, core_.state(), map_.get(), 1);
      for (std::size_t c = 0; c < input_.clients.size(); ++c) {
        pay(c, map_ != nullptr ? by_map.get() : nullptr, *by_order, *after,
            slice_ > 0 ? before.get() : nullptr);
      }
    }
    result_.changes = core_.counts().preferences_changed;
    return std::move(result_);
  }

 private:
  const RttSlice& network() const { return input_.slices[slice_]; }

  std::optional<Micros> rtt(std::size_t site, std::size_t client) const {
    return network().rtt(input_.sites[site], input_.clients[client]);
  }

  void measure_slice() {
    settle();  // sites measure each other before anybody asks
    std::vector<std::size_t> order(input_.clients.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random_.below(i)]);
    const std::size_t size = std::max<std::size_t>(1, (order.size() + kGroups - 1) / kGroups);
    for (std::size_t first = 0; first < order.size(); first += size) {
      const std::size_t count = std::min(size, order.size() - first);
      ask({order.data() + first, count});
      settle();
    }
    for (unsigned round = 0; round < input_.rounds; ++round) measure_again(round);
    named_.clear();
  }

  // Probers measure what is named in every round until its lifetime is over.
  void measure_again(unsigned round) {
    const std::uint64_t before = core_.counts().preferences_changed;
    std::vector<event::Event> batch;
    for (const auto& [prober, client] : named_) {
      send(prober, client_prefix(client), rtt(prober, client), batch);
    }
    deliver(std::move(batch));
    now_ += kStep;
    core_.advance(now_);
    core_.outbox_is_durable();
    if (round < kSettled) return;
    result_.late_changes += core_.counts().preferences_changed - before;
    result_.late_client_seconds +=
        input_.clients.size() * static_cast<std::uint64_t>(kStep.count());
  }

  void ask(std::span<const std::size_t> clients) {
    std::vector<event::Event> batch;
    for (const std::size_t client : clients) {
      const Prefix prefix = client_prefix(client);
      batch.push_back({{"dns", 1, ++asked_},
                       now_,
                       {},
                       event::Demand{std::string(kService), prefix, Address::v4(198, 51, 100, 1), 1,
                                     Millis(5'000)}});
    }
    deliver(std::move(batch));
  }

  // Lets probers measure what is named, and windows close, until nothing more is named.
  void settle() {
    do {
      now_ += kStep;
      core_.advance(now_);
    } while (measure_named());
  }

  bool measure_named() {
    std::vector<event::Event> batch;
    for (const event::Event& said : core_.outbox().events) {
      if (const auto* target = std::get_if<event::Target>(&said.payload)) probe(*target, batch);
    }
    core_.outbox_is_durable();
    const bool has_measured = !batch.empty() || core_.plan().waiting() > 0;
    deliver(std::move(batch));
    return has_measured;
  }

  void probe(const event::Target& target, std::vector<event::Event>& batch) {
    const auto site = sites_.find(target.prefix);
    const auto client = clients_.find(target.prefix);
    const auto from = [&](std::size_t prober) {
      if (site != sites_.end()) {
        ++result_.mesh_measurements;
        send(prober, target.prefix, mesh(prober, site->second), batch);
      } else if (client != clients_.end()) {
        ++result_.measurements;
        named_.emplace_back(prober, client->second);
        send(prober, target.prefix, rtt(prober, client->second), batch);
      }
    };
    if (target.sites.empty()) {
      for (std::size_t i = 0; i < input_.sites.size(); ++i) from(i);
    }
    for (const std::string& name : target.sites) from(names_.at(name));
  }

  // Only a square matrix, of nodes that are rows and columns alike, knows what sites see of each other.
  std::optional<Micros> mesh(std::size_t from, std::size_t to) const {
    if (network().rows != network().columns) return std::nullopt;
    return network().rtt(input_.sites[from], input_.sites[to]);
  }

  void send(std::size_t prober, const Prefix& prefix, std::optional<Micros> rtt,
            std::vector<event::Event>& batch) {
    const std::string& name = topology_.sites[prober].name;
    for (unsigned i = 0; i < kProbes; ++i) {
      batch.push_back({{"prober-" + name, 1, ++sent_[prober]},
                       now_,
                       {},
                       event::Measurement{name, prefix, routing::Method::icmp, noisy(rtt)}});
    }
  }

  std::optional<Micros> noisy(std::optional<Micros> rtt) {
    if (!rtt || input_.noise.count() == 0) return rtt;
    const double delay = -std::log(1 - random_.unit()) * static_cast<double>(input_.noise.count());
    return *rtt + Micros(std::llround(delay));
  }

  void deliver(std::vector<event::Event> events) {
    if (events.empty()) return;
    const auto admitted = core_.admit(std::move(events), now_);
    std::vector<event::Position> positions(admitted.fresh.size());
    for (event::Position& position : positions) position = ++last_;
    core_.apply(admitted.fresh, positions, now_);
  }

  void pay(std::size_t client, const routing::RoutingTable* by_map,
           const routing::RoutingTable& by_order, const routing::RoutingTable& after,
           const routing::RoutingTable* before) {
    std::optional<Micros> best;
    for (std::size_t s = 0; s < input_.sites.size(); ++s) {
      const auto seen = rtt(s, client);
      if (seen && (!best || *seen < *best)) best = seen;
    }
    if (!best) return;
    const Address address = client_prefix(client).address();
    const auto penalty = [&](const routing::RoutingTable* table) -> std::optional<Micros> {
      if (table == nullptr) return std::nullopt;
      const auto choice = routing::choose(*table, ServiceId(0), address, core_.health().up());
      const auto paid = rtt(choice.site.index(), client);
      return paid ? std::optional(*paid - *best) : std::nullopt;
    };
    result_.payments.push_back(
        {static_cast<std::uint16_t>(slice_),
         {Micros(0), penalty(by_map), penalty(&by_order), penalty(&after), penalty(before)}});
  }

  const SimulationInput& input_;
  const routing::Topology topology_;
  const std::shared_ptr<const routing::GeoPrior> map_;
  Core core_;
  Random random_;
  Instant now_{};
  std::size_t slice_ = 0;
  std::unordered_map<Prefix, std::size_t> sites_;
  std::unordered_map<Prefix, std::size_t> clients_;
  std::unordered_map<std::string, std::size_t> names_;
  std::unordered_map<std::size_t, std::uint64_t> sent_;     // by prober
  std::vector<std::pair<std::size_t, std::size_t>> named_;  // prober, client: in this slice
  std::uint64_t asked_ = 0;
  event::Position last_ = 0;
  SimulationResult result_;
};

}  // namespace

std::string_view to_string(Strategy strategy) {
  switch (strategy) {
    case Strategy::oracle:
      return "oracle";
    case Strategy::geo:
      return "geo";
    case Strategy::order:
      return "order";
    case Strategy::isochrone:
      return "isochrone";
    case Strategy::isochrone_before:
      return "isochrone_before";
  }
  return "";
}

SimulationResult simulate(const SimulationInput& input) { return World(input).run(); }

}  // namespace isochrone::collector
