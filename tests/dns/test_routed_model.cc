// SPDX-License-Identifier: Apache-2.0
//
// Sites live, drain and die at random, for services of every policy; each answer is held against a
// model that knows sites by name only and shares nothing with the masks of the server.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/random.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

using routing::OnAllDown;
enum class Life { up, draining, down };

constexpr std::uint16_t kSites = 6;
constexpr int kSteps = 40'000;

std::string v4_of(std::size_t site) { return "192.0.2." + std::to_string(site + 1); }
std::string v6_of(std::size_t site) { return "2001:db8::" + std::to_string(site + 1); }

routing::Topology random_topology(Random& random) {
  routing::Topology topology;
  for (std::size_t i = 0; i < kSites; ++i) {
    routing::Site site{"site" + std::to_string(i), {}, {}};
    const auto families = random.below(3);  // v4, v6, or both
    if (families != 1) site.addresses.push_back(address(v4_of(i)));
    if (families != 0) site.addresses.push_back(address(v6_of(i)));
    topology.sites.push_back(std::move(site));
  }
  for (const auto policy :
       {OnAllDown::all, OnAllDown::last_good, OnAllDown::nodata, OnAllDown::servfail}) {
    routing::Service service;
    service.name = "s" + std::to_string(topology.services.size()) + ".example.com";
    service.on_all_down = policy;
    for (std::uint16_t i = 0; i < kSites; ++i) {
      if (random.below(2) == 0) service.sites.emplace_back(i);
    }
    if (service.sites.empty()) service.sites.emplace_back(static_cast<std::uint16_t>(0));
    topology.services.push_back(std::move(service));
  }
  return topology;
}

class Model {
 public:
  explicit Model(const routing::Topology& topology) : topology_(topology), life_(kSites, Life::up) {
    for (const auto& service : topology.services) last_good_.push_back(with(service, Life::up));
  }

  void set(std::size_t site, Life life) {
    life_[site] = life;
    for (std::size_t i = 0; i < topology_.services.size(); ++i) {
      const auto up = with(topology_.services[i], Life::up);
      if (!up.empty()) last_good_[i] = up;
    }
  }

  // Nothing: no site may be named.
  std::set<std::size_t> may_be_named(std::size_t service) const {
    const routing::Service& asked = topology_.services[service];
    for (const Life life : {Life::up, Life::draining}) {
      if (auto alive = with(asked, life); !alive.empty()) return alive;
    }
    if (asked.on_all_down == OnAllDown::all) return with(asked, Life::down);
    if (asked.on_all_down == OnAllDown::last_good) return last_good_[service];
    return {};
  }

 private:
  std::set<std::size_t> with(const routing::Service& service, Life life) const {
    std::set<std::size_t> sites;
    for (const auto site : service.sites) {
      if (life_[site.index()] == life) sites.insert(site.index());
    }
    return sites;
  }

  const routing::Topology& topology_;
  std::vector<Life> life_;
  std::vector<std::set<std::size_t>> last_good_;
};

class RoutedModel : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  void change_a_site() {
    const auto site = random_.below(kSites);
    const auto life = static_cast<Life>(random_.below(3));
    const auto bit = routing::SiteMask{1} << site;
    model_.set(site, life);
    auto& sites = snapshot_.sites;
    sites.up = life == Life::up ? sites.up | bit : sites.up & ~bit;
    sites.draining = life == Life::draining ? sites.draining | bit : sites.draining & ~bit;
    routing::remember_good(topology_, sites);
  }

  // The sites of the service that an answer of this family may name.
  std::set<std::string> expected(std::size_t service, bool is_v4) const {
    std::set<std::string> addresses;
    for (const std::size_t site : model_.may_be_named(service)) {
      for (const Address& one : topology_.sites[site].addresses) {
        if (one.is_v4() == is_v4) addresses.insert(one.to_string());
      }
    }
    return addresses;
  }

  bool has_family(const routing::Service& service, bool is_v4) const {
    return std::any_of(service.sites.begin(), service.sites.end(), [&](routing::SiteId site) {
      const auto& addresses = topology_.sites[site.index()].addresses;
      return std::any_of(addresses.begin(), addresses.end(),
                         [&](const Address& one) { return one.is_v4() == is_v4; });
    });
  }

  void check_an_answer() {
    const std::size_t service = random_.below(topology_.services.size());
    const bool is_v4 = random_.below(2) == 0;
    const auto client = Address::from_bits(Family::v4, random_() & ~0xffULL, 0);
    const Heard heard = ask(snapshot_, {.name = topology_.services[service].name,
                                        .type = is_v4 ? "A" : "AAAA",
                                        .subnet = Prefix(client, 24)});
    const auto allowed = expected(service, is_v4);
    const bool is_withheld = model_.may_be_named(service).empty();
    // A family that none of its sites has is simply not there, whoever lives.
    const bool wants_servfail = topology_.services[service].on_all_down == OnAllDown::servfail &&
                                has_family(topology_.services[service], is_v4);
    ASSERT_EQ(heard.rcode, is_withheld && wants_servfail ? "SERVFAIL" : "NOERROR");
    ASSERT_EQ(heard.answer.empty(), allowed.empty());
    for (const std::string& line : heard.answer) {
      ASSERT_TRUE(allowed.contains(line.substr(line.rfind(' ') + 1))) << line;
    }
  }

  Random random_{GetParam()};
  routing::Topology topology_ = random_topology(random_);
  Snapshot snapshot_ = snapshot_of({}, {{"example.com", example_zone()}}, topology_);
  Model model_{topology_};
};

TEST_P(RoutedModel, NamesNoDeadSiteUnlessAskedAndNeverNobodyWhileOneLives) {
  routing::remember_good(topology_, snapshot_.sites);
  for (int step = 0; step < kSteps; ++step) {
    if (random_.below(4) == 0) change_a_site();
    ASSERT_NO_FATAL_FAILURE(check_an_answer()) << "step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(Worlds, RoutedModel, ::testing::Range<std::uint64_t>(1, 6));

}  // namespace
}  // namespace isochrone::dns::testing
