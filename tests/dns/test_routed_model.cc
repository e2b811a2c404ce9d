// SPDX-License-Identifier: Apache-2.0
//
// Sites live, drain and die and paths change at random, for services of every policy and kind of answer;
// each answer is held against a model that knows sites by name only and shares nothing with the masks,
// rankings and sets of the server.
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
constexpr int kSteps = 20'000;
constexpr int kStepsOfAState = 500;

std::string v4_of(std::size_t site) { return "192.0.2." + std::to_string(site + 1); }
std::string v6_of(std::size_t site) { return "2001:db8::" + std::to_string(site + 1); }
std::string host_of(std::size_t site) { return "site" + std::to_string(site) + ".example.org."; }

std::vector<routing::Site> random_sites(Random& random) {
  std::vector<routing::Site> sites;
  for (std::size_t i = 0; i < kSites; ++i) {
    routing::Site site{
        "site" + std::to_string(i), {}, {}, "site" + std::to_string(i) + ".example.org"};
    const auto families = random.below(3);  // v4, v6, or both
    if (families != 1) site.addresses.push_back(address(v4_of(i)));
    if (families != 0) site.addresses.push_back(address(v6_of(i)));
    if (random.below(3) != 0) {
      site.location = routing::Location{static_cast<double>(random.below(3)), 8.0};
    }
    sites.push_back(std::move(site));
  }
  return sites;
}

// One kind of answer after the other, its numbers at random.
routing::Service random_service(Random& random, std::size_t kind) {
  routing::Service service;
  for (std::uint16_t i = 0; i < kSites; ++i) {
    if (random.below(2) == 0) service.sites.emplace_back(i);
  }
  if (service.sites.empty()) service.sites.emplace_back(static_cast<std::uint16_t>(0));
  const bool is_alias = kind % 4 == 3;
  if (is_alias) service.answer = routing::AnswerWith::host_name;
  if (kind % 4 >= 1 && !is_alias) service.count = 1 + static_cast<unsigned>(random.below(3));
  if (kind % 4 == 2) {
    service.spread = Micros(static_cast<int>(random.below(60'000)));
    service.others = static_cast<unsigned>(random.below(service.count));
    service.https = routing::Binding{{"h2"}, true, {}, {}};
  }
  if (random.below(2) == 0) {
    service.min_gain = Micros(static_cast<int>(random.below(40'000)));
    for (std::size_t i = 0; i < service.sites.size(); ++i) {
      service.weights.push_back(static_cast<std::uint16_t>(1 + random.below(5)));
    }
  }
  return service;
}

routing::Topology random_topology(Random& random) {
  routing::Topology topology;
  topology.sites = random_sites(random);
  for (const auto policy :
       {OnAllDown::all, OnAllDown::last_good, OnAllDown::nodata, OnAllDown::servfail}) {
    for (std::size_t kind = 0; kind < 4; ++kind) {
      routing::Service service = random_service(random, kind);
      service.name = "s" + std::to_string(topology.services.size()) + ".example.com";
      service.on_all_down = policy;
      topology.services.push_back(std::move(service));
    }
  }
  return topology;
}

NodeState random_state(Random& random) {
  NodeState state;
  for (std::uint64_t i = random.below(60); i > 0; --i) {
    const Address base = Address::from_bits(Family::v4, random(), 0);
    routing::PrefixState known;
    known.prefix = Prefix(base, static_cast<int>(2 + random.below(23)));
    for (std::uint16_t site = 0; site < kSites; ++site) {
      if (random.below(3) == 0) continue;
      routing::Estimate estimate;
      estimate.p50 = estimate.min = estimate.p90 =
          Micros(1 + static_cast<int>(random.below(90'000)));
      estimate.samples = static_cast<std::uint32_t>(random.below(4) * 40);  // in vain at times
      known.set(routing::SiteId(site), estimate);
    }
    state.performance.put(known);
  }
  return state;
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

  void change_paths() {
    const auto sites = snapshot_.sites;
    snapshot_ = snapshot_of(random_state(random_), {{"example.com", example_zone()}}, topology_);
    snapshot_.sites = sites;
  }

  // What the site's records of the type say: as ldns writes it, or a part that no other site's has.
  std::vector<std::string> records_at(std::size_t site, const std::string& type) const {
    const auto& addresses = topology_.sites[site].addresses;
    if (type == "CNAME") return {host_of(site)};
    if (type == "TYPE65") return {to_hex(Bytes(addresses.front().bytes()).first(4))};
    for (const Address& one : addresses) {
      if (one.is_v4() == (type == "A")) return {one.to_string()};
    }
    return {};
  }

  // The sites that an answer names; ASSERTs that each line is of one site that may be named.
  std::set<std::size_t> sites_in(const std::vector<std::string>& lines, const std::string& type,
                                 const std::set<std::size_t>& allowed) const {
    std::set<std::size_t> named;
    for (const std::string& line : lines) {
      for (const std::size_t site : allowed) {
        const auto records = records_at(site, type);
        if (!records.empty() && is_of(line, type, records.front(), site)) named.insert(site);
      }
    }
    return named;
  }

  bool is_of(const std::string& line, const std::string& type, const std::string& record,
             std::size_t site) const {
    if (type != "TYPE65") return line.substr(line.rfind(' ') + 1) == record;
    const auto& addresses = topology_.sites[site].addresses;
    return std::all_of(addresses.begin(), addresses.end(), [&](const Address& one) {
      const auto octets = one.bytes();
      const auto width = static_cast<std::size_t>(one.width() / 8);
      return line.find(to_hex(Bytes(octets).first(width))) != std::string::npos ||
             line.find(one.to_string()) != std::string::npos;
    });
  }

  // The types that routing answers at the service's name.
  std::string random_type(const routing::Service& service) {
    if (service.answer == routing::AnswerWith::host_name) return "CNAME";
    const auto drawn = random_.below(service.https ? 3 : 2);
    return drawn == 0 ? "A" : drawn == 1 ? "AAAA" : "TYPE65";
  }

  void check_an_answer() {
    const std::size_t index = random_.below(topology_.services.size());
    const routing::Service& service = topology_.services[index];
    const std::string type = random_type(service);
    const auto client = Address::from_bits(Family::v4, random_() & ~0xffULL, 0);
    const Heard heard =
        ask(snapshot_, {.name = service.name, .type = type, .subnet = Prefix(client, 24)});
    std::set<std::size_t> allowed;
    bool has_type = false;
    for (const std::size_t site : model_.may_be_named(index)) {
      if (!records_at(site, type).empty()) allowed.insert(site);
    }
    for (const auto site : service.sites) has_type |= !records_at(site.index(), type).empty();
    const bool is_withheld = model_.may_be_named(index).empty();
    // A type that none of its sites has is simply not there, whoever lives.
    const bool wants_servfail = service.on_all_down == OnAllDown::servfail && has_type;
    ASSERT_EQ(heard.rcode, is_withheld && wants_servfail ? "SERVFAIL" : "NOERROR");
    ASSERT_EQ(heard.answer.empty(), allowed.empty());
    const auto named = sites_in(heard.answer, type, allowed);
    ASSERT_EQ(named.size(), heard.answer.size()) << "each line is of one site that may be named";
    ASSERT_LE(named.size(), service.count);
    // Only a spread makes a set smaller than what there is.
    if (!service.spread) {
      ASSERT_EQ(named.size(), std::min<std::size_t>(service.count, allowed.size()));
    }
    check_scope(service, type, client, heard);
  }

  // Whoever else is inside the scope gets this answer.
  void check_scope(const routing::Service& service, const std::string& type, const Address& client,
                   const Heard& heard) {
    if (heard.answer.empty() || !heard.reply.used_client_subnet) return;
    const std::uint64_t inside = random_() & (~std::uint64_t{0} >> *heard.scope);
    const auto other =
        Address::from_bits(Family::v4, client.masked(*heard.scope).high() | inside, 0);
    if (private_bit(other) != 0) return;  // means nothing outside its network
    ASSERT_EQ(
        ask(snapshot_, {.name = service.name, .type = type, .subnet = Prefix(other, 32)}).answer,
        heard.answer);
  }

  Random random_{GetParam()};
  routing::Topology topology_ = random_topology(random_);
  Snapshot snapshot_ = snapshot_of({}, {{"example.com", example_zone()}}, topology_);
  Model model_{topology_};
};

TEST_P(RoutedModel, NamesNoDeadSiteUnlessAskedAndNeverNobodyWhileOneLives) {
  routing::remember_good(topology_, snapshot_.sites);
  for (int step = 0; step < kSteps; ++step) {
    if (step % kStepsOfAState == 0) change_paths();
    if (random_.below(4) == 0) change_a_site();
    ASSERT_NO_FATAL_FAILURE(check_an_answer()) << "step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(Worlds, RoutedModel, ::testing::Range<std::uint64_t>(1, 6));

}  // namespace
}  // namespace isochrone::dns::testing
