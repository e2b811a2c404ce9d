// SPDX-License-Identifier: Apache-2.0
//
// One source of measurements after another is hidden: what answers then cost beyond the best site.
//
// RTTs are those of planetlab490, 20 of its nodes being sites and 150 others client networks; what methods
// see of them is synthetic. Two thirds of the networks answer ICMP and two thirds TCP, independently; the
// others have a last hop that answers, up to 10 ms before them and up to 2 ms off from path to path. Clients'
// connections say 1 ms more and 3 ms of queueing in the mean, of the site that serves the network alone.
// Browsers see 1 to 3 ms and 5 ms of queueing more, each of three sites. A network has a connection every
// second to every two minutes, evenly in the logarithm, and every fifth has a browser that measures.
// Demand goes where the table compiled from the core's state says.
//
// A source is hidden from the start, or after twenty minutes; after thirty the best path of every tenth
// network becomes 60 ms longer, so that who goes by what was known pays for it. Answers are looked at every
// minute of the last twenty of an hour: the time that votes of browsers take has passed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "collector/beacon_candidates.h"
#include "collector/core.h"
#include "event/beacon_label.h"
#include "lab/matrix.h"
#include "routing/compile.h"
#include "routing/decision.h"

namespace isochrone::sim {
namespace {

using routing::Method;

constexpr std::size_t kSites = 20;
constexpr std::size_t kNetworks = 150;
constexpr double kQuietest = 1.0 / 120;  // connections a second
constexpr double kBrowsers = 0.2;        // of connections
constexpr Micros kDetour{60'000};
constexpr std::int64_t kRound = 20;
constexpr int kTold = 8;  // answers of a network's connections in one round, as in prober/tally.h
constexpr std::int64_t kMinute = 60;
const Instant kStart = *parse_instant("2024-05-01T00:00:00Z");

struct Sources {
  bool icmp = true;
  bool other_probes = true;  // TCP and last hop
  bool passive = true;
  bool browsers = true;
};

struct Penalty {
  double mean = 0;  // milliseconds, of all networks alike
  double p95 = 0;
  double by_demand = 0;    // the mean, networks weighing as much as they ask
  double wrong_share = 0;  // over 5 ms and 5 % worse than the best
};

class Hour {
 public:
  // What is not in `left` is hidden from second `hidden_at` on.
  Hour(const Sources& left, std::int64_t hidden_at)
      : left_(left), hidden_at_(hidden_at), core_(options(), topology(), 1) {
    const auto matrix = lab::RttMatrix::read(ISOCHRONE_LAB_DATA "/planetlab490-slice01.tsv.gz");
    std::vector<std::size_t> nodes(matrix->rows());
    std::iota(nodes.begin(), nodes.end(), std::size_t{0});
    for (std::size_t i = 0; i < kSites + kNetworks; ++i) {
      std::swap(nodes[i], nodes[i + random_.below(nodes.size() - i)]);
    }
    for (std::size_t n = 0; n < kNetworks; ++n) {
      Network network;
      network.answers_icmp = random_.below(3) < 2;
      network.answers_tcp = random_.below(3) < 2;
      network.connections = std::pow(kQuietest, random_.unit());
      const Micros behind_hop = drawn(10'000);
      for (std::size_t s = 0; s < kSites; ++s) {
        network.base[s] = *matrix->rtt(nodes[s], nodes[kSites + n]);
        network.hop[s] = std::min(behind_hop + drawn(2'000), network.base[s] / 2);
      }
      networks_.push_back(network);
    }
    for (std::size_t s = 0; s < kSites; ++s) sites_.push_back({name(s), "https://o", ""});
  }

  Penalty run() {
    std::vector<double> penalties;
    std::size_t wrong = 0;
    double asked = 0;
    double paid_for = 0;
    for (std::int64_t second = 1; second <= 60 * kMinute; ++second) {
      now_ = kStart + Seconds(second);
      seen_ = second >= hidden_at_ ? left_ : Sources{};
      if (second == 30 * kMinute) lengthen();
      if (second % kRound == 0) measure();
      if (seen_.browsers) browse();
      core_.advance(now_);
      core_.outbox_is_durable();
      if (second <= 40 * kMinute || second % kMinute != 0) continue;
      for (std::size_t n = 0; n < kNetworks; ++n) {
        const Micros best = *std::min_element(networks_[n].base, networks_[n].base + kSites);
        const Micros paid = networks_[n].base[serving(n)] - best;
        penalties.push_back(static_cast<double>(paid.count()) / 1'000);
        asked += networks_[n].connections;
        paid_for += networks_[n].connections * penalties.back();
        wrong += paid > std::max(Micros(5'000), best / 20) ? 1U : 0U;
      }
    }
    std::sort(penalties.begin(), penalties.end());
    const auto count = static_cast<double>(penalties.size());
    return {std::accumulate(penalties.begin(), penalties.end(), 0.0) / count,
            penalties[penalties.size() * 95 / 100], paid_for / asked,
            static_cast<double>(wrong) / count};
  }

 private:
  struct Network {
    bool answers_icmp = false;
    bool answers_tcp = false;
    double connections = 0;  // a second
    Micros base[kSites] = {};
    Micros hop[kSites] = {};  // how much nearer its last hop is
  };

  static std::string name(std::size_t site) { return fmt::format("s{}", site); }
  static collector::Options options() {
    collector::Options options;
    options.node_name = "sim";
    return options;
  }
  static routing::Topology topology() {
    routing::Topology topology;
    routing::Service service;
    service.name = "www.example.com";
    for (std::size_t s = 0; s < kSites; ++s) {
      topology.sites.push_back({name(s), {}, {}});
      service.sites.emplace_back(static_cast<std::uint16_t>(s));
    }
    topology.services = {service};
    return topology;
  }
  static Prefix prefix(std::size_t network) {
    return {Address::v4(10, 0, static_cast<std::uint8_t>(network), 0), 24};
  }

  Micros drawn(std::uint64_t below) {
    return Micros(static_cast<std::int64_t>(random_.below(below)));
  }
  Micros queued(Micros mean) {
    return Micros(std::llround(-std::log(1 - random_.unit()) * static_cast<double>(mean.count())));
  }

  // A Poisson count (Knuth).
  int arriving(double mean) {
    int count = 0;
    for (double product = random_.unit(); product > std::exp(-mean); product *= random_.unit()) {
      ++count;
    }
    return count;
  }

  void lengthen() {
    for (std::size_t n = 0; n < kNetworks; n += 10) {
      *std::min_element(networks_[n].base, networks_[n].base + kSites) += kDetour;
    }
  }

  // Where the network's demand goes.
  std::size_t serving(std::size_t network) {
    if (table_ == nullptr || table_->generation() != core_.generation()) {
      table_ = routing::compile_table(core_.topology(), core_.state(), nullptr, core_.generation());
    }
    const auto choice = routing::choose(*table_, routing::ServiceId(0), prefix(network).address(),
                                        core_.health().up());
    return choice.site.index();
  }

  std::optional<Method> method_for(const Network& network) const {
    if (seen_.icmp && network.answers_icmp) return Method::icmp;
    if (!seen_.other_probes) return std::nullopt;
    return network.answers_tcp ? Method::tcp : Method::hop;
  }

  event::Event say(const std::string& source, std::uint64_t sequence, std::size_t site,
                   std::size_t network, Method method, Micros rtt, std::string task = {}) {
    return {{source, 1, sequence},
            now_,
            std::move(task),
            event::Measurement{name(site), prefix(network), method, rtt}};
  }

  void measure() {
    std::vector<event::Event> events;
    for (std::size_t n = 0; n < kNetworks; ++n) {
      const Network& network = networks_[n];
      const auto method = method_for(network);
      for (std::size_t s = 0; method && s < kSites; ++s) {
        const Micros nearer = method == Method::hop ? network.hop[s] : Micros(0);
        const Micros rtt = network.base[s] - nearer + queued(Micros(500));
        events.push_back(say("prober-" + name(s), ++told_[s], s, n, *method, rtt));
      }
      const std::size_t site = seen_.passive ? serving(n) : 0;
      const int connections = seen_.passive ? arriving(network.connections * kRound) : 0;
      for (int i = 0; i < std::min(connections, kTold); ++i) {
        const Micros rtt = network.base[site] + Micros(1'000) + queued(Micros(3'000));
        events.push_back(say("prober-" + name(site), ++told_[site], site, n, Method::passive, rtt));
      }
    }
    deliver(std::move(events));
  }

  void browse() {
    std::vector<event::Event> events;
    for (std::size_t n = 0; n < kNetworks; ++n) {
      if (random_.unit() >= networks_[n].connections * kBrowsers) continue;
      const std::string task = event::beacon_task(++tasks_);
      for (const routing::SiteId site :
           collector::beacon_candidates(core_.topology(), sites_, routing::kAllSites,
                                        core_.state().find(prefix(n)), {}, 3, random_)) {
        const Micros rtt =
            networks_[n].base[site.index()] + Micros(1'000) + drawn(2'000) + queued(Micros(5'000));
        events.push_back(say("beacon-sim", ++reports_, site.index(), n, Method::beacon, rtt, task));
      }
    }
    deliver(std::move(events));
  }

  void deliver(std::vector<event::Event> events) {
    auto admitted = core_.admit(std::move(events), now_);
    std::vector<event::Position> positions(admitted.fresh.size());
    for (event::Position& position : positions) position = ++last_;
    core_.apply(admitted.fresh, positions, now_);
  }

  const Sources left_;
  const std::int64_t hidden_at_;
  Sources seen_;
  Random random_{23};
  collector::Core core_;
  std::shared_ptr<const routing::RoutingTable> table_;
  Instant now_{};
  std::vector<Network> networks_;
  std::vector<collector::BeaconSite> sites_;
  std::uint64_t told_[kSites] = {};
  std::uint64_t tasks_ = std::uint64_t{1'714'500'000} << 32;
  std::uint64_t reports_ = 0;
  event::Position last_ = 0;
};

struct Costs {
  Penalty from_start;
  Penalty later;
};

Costs hide(const char* hidden, const Sources& left) {
  const Costs costs{Hour(left, 0).run(), Hour(left, 20 * kMinute).run()};
  fmt::print("{:24}", hidden);
  for (const Penalty& each : {costs.from_start, costs.later}) {
    fmt::print("  {:7.2f} {:9.2f} {:7.2f} {:7.2f}", each.mean, each.by_demand, each.p95,
               each.wrong_share * 100);
  }
  fmt::print("\n");
  std::fflush(stdout);
  return costs;
}

void print_head() {
  constexpr const char* kColumns = "  mean ms by demand  p95 ms wrong %";
  fmt::print("{:24}  {:33}  {}\n{:24}{}{}\n", "hidden", "from the start", "after twenty minutes",
             "", kColumns, kColumns);
}

// A path that any source sees is known within its bias, and those are much the same for all sites of a
// network. Hysteresis leaves answers within 0.5 ms or 3 % of the best, so a mean of 1 ms is next to nothing.
constexpr double kNextToNothing = 1;

TEST(HiddenSources, OneAloneCostsNextToNothing) {
  print_head();
  for (const auto& [hidden, left] : {std::pair{"nothing", Sources{}},
                                     {"ICMP", Sources{false, true, true, true}},
                                     {"passive", Sources{true, true, false, true}},
                                     {"browsers", Sources{true, true, true, false}},
                                     {"passive and browsers", Sources{true, true, false, false}}}) {
    const Costs costs = hide(hidden, left);
    EXPECT_LT(costs.from_start.mean, kNextToNothing) << hidden;
    EXPECT_LT(costs.later.mean, kNextToNothing) << hidden;
  }
}

// Who loses every prober still knows what he knew, and is told of what becomes worse by those it becomes worse
// for. Who never had one learns of busy networks first. Neither is worse off than who is told nothing.
TEST(HiddenSources, WithoutProbersWhatIsLeftIsBetterThanNothing) {
  const Costs nothing_left = hide("everything", {false, false, false, false});
  for (const auto& [hidden, left] :
       {std::pair{"all probes", Sources{false, false, true, true}},
        {"all probes but ICMP", Sources{true, false, true, true}},
        {"all probes and passive", Sources{false, false, false, true}},
        {"all probes and browsers", Sources{false, false, true, false}}}) {
    const Costs costs = hide(hidden, left);
    EXPECT_LE(costs.from_start.mean, nothing_left.from_start.mean) << hidden;
    EXPECT_LE(costs.from_start.by_demand, nothing_left.from_start.by_demand) << hidden;
    EXPECT_LT(costs.later.mean, nothing_left.later.mean) << hidden;
    EXPECT_LT(costs.later.by_demand, nothing_left.later.by_demand) << hidden;
  }
}

}  // namespace
}  // namespace isochrone::sim
