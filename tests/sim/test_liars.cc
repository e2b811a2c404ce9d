// SPDX-License-Identifier: Apache-2.0
//
// Browsers that lie together, and a prober that does: how many networks are sent to a wrong site for it.
//
// 400 networks with base RTTs of 5 to 200 ms to 8 sites, an hour in virtual time. Each network has a
// browser every five seconds in the mean, which measures the three sites that the collector itself would
// name. An honest one sees the path, 1 to 3 ms of its own, and 5 ms of queueing in the mean. Liars all say
// the same: the best site takes 3 s, every other one 2 ms.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "collector/beacon_candidates.h"
#include "collector/core.h"
#include "event/beacon_label.h"

namespace isochrone::sim {
namespace {

constexpr std::size_t kSites = 8;
constexpr std::size_t kNetworks = 400;
const Instant kStart = *parse_instant("2024-05-01T00:00:00Z");

struct Scene {
  double lying_browsers = 0;
  bool has_probers = false;
  std::optional<std::size_t> lying_prober = {};
  Micros lie = Micros(2'000);  // of that prober
  bool has_browsers = true;
  Seconds lies_from{0};
  bool is_true = false;  // all that pass the site say so, with reason
  Seconds until{3'600};
};

struct Outcome {
  std::size_t moved =
      0;  // networks that were sent to a wrong site at any time once they were right
  std::size_t wrong = 0;      // at the end
  std::size_t undecided = 0;  // likewise
  std::uint64_t verdicts = 0;
};

class Place {
 public:
  explicit Place(const Scene& scene) : scene_(scene), core_(options(), topology(), 1) {
    for (std::size_t i = 0; i < kNetworks * kSites; ++i) {
      base_.emplace_back(5'000 + static_cast<std::int64_t>(random_.below(195'000)));
    }
    for (std::size_t i = 0; i < kSites; ++i) {
      sites_.push_back({fmt::format("s{}", i), "https://o", ""});
    }
  }

  Outcome run() {
    std::vector<bool> was_right(kNetworks, false);
    std::vector<bool> was_moved(kNetworks, false);
    for (now_ = kStart; now_ < kStart + scene_.until;) {
      now_ += Seconds(1);
      const auto second = (now_ - kStart) / Seconds(1);
      if (scene_.has_probers && second % 10 == 0) probe();
      for (std::size_t network = 0; scene_.has_browsers && network < kNetworks; ++network) {
        if (random_.below(5) == 0) browse(network);
      }
      core_.advance(now_);
      follow_targets();
      core_.outbox_is_durable();
      for (std::size_t network = 0; network < kNetworks; ++network) {
        const auto site = preferred(network);
        const bool is_wrong = site && !is_good(*site, network);
        was_moved[network] = was_moved[network] || (was_right[network] && is_wrong);
        was_right[network] = was_right[network] || (site && !is_wrong);
      }
    }
    Outcome outcome;
    for (std::size_t network = 0; network < kNetworks; ++network) {
      const auto site = preferred(network);
      outcome.moved += was_moved[network] ? 1U : 0U;
      outcome.undecided += site ? 0U : 1U;
      outcome.wrong += site && !is_good(*site, network) ? 1U : 0U;
    }
    outcome.verdicts = core_.juries().verdicts();
    return outcome;
  }

 private:
  static collector::Options options() {
    collector::Options options;
    options.node_name = "sim";
    return options;
  }
  static routing::Topology topology() {
    routing::Topology topology;
    routing::Service service;
    service.name = "www.example.com";
    for (std::size_t i = 0; i < kSites; ++i) {
      topology.sites.push_back({fmt::format("s{}", i), {}, {home(i).address()}});
      service.sites.emplace_back(static_cast<std::uint16_t>(i));
    }
    topology.services = {service};
    return topology;
  }
  static Prefix home(std::size_t site) {
    return {Address::v4(192, 0, 2, static_cast<std::uint8_t>(site)), 32};
  }
  static Prefix prefix(std::size_t network) {
    return {Address::v4(10, static_cast<std::uint8_t>(network >> 8),
                        static_cast<std::uint8_t>(network), 0),
            24};
  }
  Micros base(std::size_t site, std::size_t network) const {
    return base_[network * kSites + site];
  }
  std::size_t best(std::size_t network) const {
    std::size_t best = 0;
    for (std::size_t i = 1; i < kSites; ++i)
      best = base(i, network) < base(best, network) ? i : best;
    return best;
  }
  // Within what routing is judged by: 1 ms or 5 %, and what noise of 5 ms can tell apart besides.
  bool is_good(std::size_t site, std::size_t network) const {
    const Micros least = base(best(network), network);
    return base(site, network) <= least + std::max(Micros(5'000), least / 20);
  }
  std::optional<std::size_t> preferred(std::size_t network) const {
    const auto* known = core_.state().find(prefix(network));
    const auto* site = known == nullptr ? nullptr : known->preferred(routing::ServiceId(0));
    return site == nullptr ? std::nullopt : std::optional(site->index());
  }
  Micros queued(Micros mean) {
    return Micros(std::llround(-std::log(1 - random_.unit()) * static_cast<double>(mean.count())));
  }

  void deliver(std::vector<event::Event> events) {
    std::vector<event::Position> positions;
    auto admitted = core_.admit(std::move(events), now_);
    for (std::size_t i = 0; i < admitted.fresh.size(); ++i) positions.push_back(++last_);
    core_.apply(admitted.fresh, positions, now_);
  }

  void follow_targets() {
    for (const event::Event& said : core_.outbox().events) {
      const auto* target = std::get_if<event::Target>(&said.payload);
      for (std::size_t site = 0; target != nullptr && site < kSites; ++site) {
        is_home_named_[site] = is_home_named_[site] || target->prefix == home(site);
      }
    }
  }

  void probe() {
    std::vector<event::Event> events;
    for (std::size_t network = 0; network < kNetworks; ++network) {
      for (std::size_t site = 0; site < kSites; ++site) {
        const Micros rtt = lies(site) ? scene_.lie : base(site, network) + queued(Micros(500));
        events.push_back(measured(site, prefix(network), rtt));
      }
    }
    for (std::size_t there = 0; there < kSites; ++there) {
      for (std::size_t site = 0; site < kSites; ++site) {
        if (!is_home_named_[there] || site == there) continue;
        const bool is_far = lies(site) || (scene_.is_true && lies(there));
        const Micros rtt = is_far ? scene_.lie : between(site, there) + queued(Micros(500));
        events.push_back(measured(site, home(there), rtt));
      }
    }
    deliver(std::move(events));
  }

  bool lies(std::size_t site) const {
    return scene_.lying_prober == site && now_ >= kStart + scene_.lies_from;
  }
  // Sites are as far from each other as networks are from them.
  Micros between(std::size_t a, std::size_t b) const {
    return base(std::max(a, b), std::min(a, b));
  }
  event::Event measured(std::size_t site, const Prefix& prefix, Micros rtt) {
    const std::string name = fmt::format("s{}", site);
    return {{"prober-" + name, 1, ++probes_[site]},
            now_,
            {},
            event::Measurement{name, prefix, routing::Method::icmp, rtt}};
  }

  void browse(std::size_t network) {
    const bool lies = random_.unit() < scene_.lying_browsers;
    const std::string task = event::beacon_task(++tasks_);
    std::vector<event::Event> events;
    for (const routing::SiteId site :
         collector::beacon_candidates(core_.topology(), sites_, routing::kAllSites,
                                      core_.state().find(prefix(network)), {}, 3, random_)) {
      const std::size_t at = site.index();
      Micros rtt = base(at, network) +
                   Micros(1'000 + static_cast<std::int64_t>(random_.below(2'000))) +
                   queued(Micros(5'000));
      if (lies) rtt = at == best(network) ? Micros(3'000'000) : Micros(2'000);
      events.push_back({{"beacon-sim", 1, ++reports_},
                        now_,
                        task,
                        event::Measurement{fmt::format("s{}", at), prefix(network),
                                           routing::Method::beacon, rtt}});
    }
    deliver(std::move(events));
  }

  const Scene scene_;
  Random random_{17};
  collector::Core core_;
  Instant now_{};
  std::vector<Micros> base_;
  std::vector<collector::BeaconSite> sites_;
  std::uint64_t probes_[kSites] = {};
  bool is_home_named_[kSites] = {};
  std::uint64_t tasks_ = std::uint64_t{1'714'500'000} << 32;
  std::uint64_t reports_ = 0;
  event::Position last_ = 0;
};

Outcome play(const char* name, const Scene& scene) {
  const Outcome outcome = Place(scene).run();
  const auto share = [](std::size_t networks) {
    return 100.0 * static_cast<double>(networks) / kNetworks;
  };
  fmt::print(
      "{:44} moved wrongly {:5.2f} %, wrong at the end {:5.2f} %, undecided {:5.2f} %, {} "
      "verdicts\n",
      name, share(outcome.moved), share(outcome.wrong), share(outcome.undecided), outcome.verdicts);
  std::fflush(stdout);
  return outcome;
}

// 0.1 % of 400 networks is none, 1 % four.
TEST(Liars, OneBrowserInTenMovesNobody) {
  const Outcome honest = play("browsers alone, none lies", {});
  EXPECT_EQ(honest.moved, 0U);
  EXPECT_EQ(honest.wrong, 0U);
  const Outcome outcome = play("browsers alone, 10 % lie", {0.1});
  EXPECT_EQ(outcome.moved, 0U);
  EXPECT_EQ(outcome.wrong, 0U);
}

TEST(Liars, ThreeBrowsersInTenMoveHardlyAnybody) {
  const Outcome outcome = play("browsers alone, 30 % lie", {0.3});
  EXPECT_LE(outcome.moved, 4U);
  EXPECT_LE(outcome.wrong, 4U);
  EXPECT_LE(play("probers and browsers, 30 % lie", {0.3, true}).moved, 0U);
}

// Honest for ten minutes, then not. That everything became nearer is known for a lie before anybody
// believes it; that everything became further is what a congested site would say too, but then other sites
// would see it so far as well.
TEST(Liars, AProberThatTurnsIntoALiarMovesHardlyAnybody) {
  constexpr Seconds kTenMinutes{600};
  for (const bool has_browsers : {true, false}) {
    const std::string name = has_browsers ? "probers and browsers, " : "probers alone, ";
    const Scene near{0, true, 3, Micros(2'000), has_browsers, kTenMinutes};
    const Outcome nearer = play((name + "one begins to say 2 ms").c_str(), near);
    EXPECT_LE(nearer.moved, 4U);
    EXPECT_LE(nearer.wrong, 4U);
    const Scene far{0, true, 3, Micros(1'000'000), has_browsers, kTenMinutes};
    const Outcome further = play((name + "one begins to say 1 s").c_str(), far);
    EXPECT_LE(further.moved, 4U);
    EXPECT_LE(further.wrong, 4U);
  }
}

// As far as everybody says: who looked at it first is not believed before the others have looked as well.
TEST(Liars, ACongestedSiteIsLeftWithinAMinute) {
  Scene scene{0, true, 3, Micros(1'000'000), false, Seconds(600), true, Seconds(660)};
  EXPECT_NEAR(static_cast<double>(play("probers alone, a site is 1 s away in truth", scene).moved),
              0.1125 * kNetworks, 4);
}

TEST(Liars, AProberThatAlwaysLiedIsFoundOutByBrowsers) {
  for (const Micros lie : {Micros(2'000), Micros(1'000'000)}) {
    const std::string says =
        fmt::format("probers and browsers, one always says {} ms", lie.count() / 1'000);
    EXPECT_LE(play(says.c_str(), {0, true, 3, lie}).wrong, 4U);
  }
}

}  // namespace
}  // namespace isochrone::sim
