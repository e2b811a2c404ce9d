// SPDX-License-Identifier: Apache-2.0
//
// An hour of clients behind resolvers with caches: sites that fill, one that dies, and what each carries.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "base/random.h"
#include "collector/core.h"

namespace isochrone::sim {
namespace {

using collector::Core;
using routing::SiteId;

constexpr std::size_t kSites = 5;
constexpr std::size_t kNetworks = 400;
constexpr Seconds kTtl{30};
const Instant kStart = from_unix_nanos(1'700'000'000'000'000'000);

Prefix network(std::size_t index) {
  return {
      Address::v4(10, static_cast<std::uint8_t>(index >> 8), static_cast<std::uint8_t>(index), 0),
      24};
}

routing::Topology sites_of(std::uint64_t capacity) {
  routing::Topology topology;
  routing::Service service;
  service.name = "www.example.com";
  service.ttl = kTtl;
  for (std::size_t i = 0; i < kSites; ++i) {
    routing::Site site{"s" + std::to_string(i), {}, {Address::v4(192, 0, 2, 1)}};
    site.capacity = capacity;
    topology.sites.push_back(std::move(site));
    service.sites.emplace_back(static_cast<std::uint16_t>(i));
  }
  topology.services = {service};
  return topology;
}

// Each network has a resolver: it asks when its cache has run out, and its clients go on to the site of
// the answer it has. Half of all are nearest to site 0.
class Hour {
 public:
  explicit Hour(std::uint64_t capacity)
      : capacity_(static_cast<double>(capacity)),
        core_(options(), sites_of(capacity), 1),
        random_(5) {
    for (std::size_t n = 0; n < kNetworks; ++n) {
      Client client;
      client.per_second = 1 + static_cast<double>(random_.below(4));
      for (std::size_t s = 0; s < kSites; ++s) {
        const bool is_home = s == (n % 2 == 0 ? 0 : n % kSites);
        client.rtt.emplace_back((is_home ? 5'000 : 20'000) + random_.below(40'000));
      }
      client.asks_at =
          kStart + Nanos(static_cast<std::int64_t>(random_.below(kTtl.count())) * 1'000'000'000);
      clients_.push_back(client);
      total_ += client.per_second;
    }
  }

  double total() const { return total_; }

  void run(Seconds length) {
    const Instant end = now_ + length;
    while (now_ < end) {
      now_ += Seconds(1);
      std::vector<event::Event> batch;
      beat(batch);
      if (second() % 10 == 0) measure(batch);
      ask(batch);
      deliver(std::move(batch));
      core_.advance(now_);
      core_.outbox_is_durable();
      note();
    }
  }
  void kill(std::size_t site) { is_dead_[site] = true; }

  // By site: what clients send there now, and the most since the last look.
  const std::vector<double>& carried() const { return carried_; }
  double most_over() { return std::exchange(most_over_, 0.0); }
  std::uint64_t moved() { return std::exchange(moved_, 0); }
  // Milliseconds a request travels.
  double mean_ms() const {
    double sum = 0;
    for (const Client& client : clients_) {
      sum += client.per_second * static_cast<double>(client.rtt[client.site].count());
    }
    return sum / total_ / 1'000;
  }

 private:
  struct Client {
    std::vector<Micros> rtt;
    double per_second = 0;
    Instant asks_at{};
    std::size_t site = 0;
  };

  static collector::Options options() {
    collector::Options options;
    options.node_name = "sim";
    return options;
  }
  std::int64_t second() const { return (now_ - kStart) / Seconds(1); }

  event::Event make(const std::string& source, event::Payload payload) {
    return {{source, 1, ++sequence_[source]}, now_, {}, std::move(payload)};
  }
  void beat(std::vector<event::Event>& batch) {
    for (std::size_t s = 0; s < kSites; ++s) {
      if (is_dead_[s]) continue;
      const std::string name = "s" + std::to_string(s);
      batch.push_back(make("prober-" + name, event::Health{name, event::HealthStatus::up,
                                                           event::HealthOrigin::prober, ""}));
    }
  }
  void measure(std::vector<event::Event>& batch) {
    for (std::size_t n = 0; n < kNetworks; ++n) {
      for (std::size_t s = 0; s < kSites; ++s) {
        if (is_dead_[s]) continue;
        const std::string name = "s" + std::to_string(s);
        batch.push_back(
            make("prober-" + name,
                 event::Measurement{name, network(n), routing::Method::icmp, clients_[n].rtt[s]}));
      }
    }
  }
  void ask(std::vector<event::Event>& batch) {
    for (std::size_t n = 0; n < kNetworks; ++n) {
      Client& client = clients_[n];
      if (now_ < client.asks_at) continue;
      client.asks_at = now_ + kTtl;
      const std::size_t before = std::exchange(client.site, answer(n));
      if (before != client.site && second() > 300) ++moved_;
      // A resolver stands for what its clients send: the laboratory's weight of a query.
      const auto queries = static_cast<std::uint32_t>(client.per_second * kTtl.count());
      batch.push_back(
          make("dns", event::Demand{"www.example.com", network(n), Address::v4(198, 51, 100, 1),
                                    queries, Millis(1'000)}));
    }
  }
  // As a DNS node answers: the preferred site, or the best that is up.
  std::size_t answer(std::size_t n) const {
    const routing::PrefixState* known = core_.state().find(network(n));
    const SiteId* held = known != nullptr ? known->preferred(routing::ServiceId(0)) : nullptr;
    if (held != nullptr && !is_dead_[held->index()]) return held->index();
    std::size_t best = kSites - 1;
    for (std::size_t s = 0; s < kSites; ++s) {
      if (!is_dead_[s] && clients_[n].rtt[s] < clients_[n].rtt[best]) best = s;
    }
    return best;
  }
  void deliver(std::vector<event::Event> events) {
    const auto admitted = core_.admit(std::move(events), now_);
    std::vector<event::Position> positions(admitted.fresh.size());
    for (event::Position& position : positions) position = ++last_;
    core_.apply(admitted.fresh, positions, now_);
  }
  void note() {
    carried_.assign(kSites, 0);
    for (const Client& client : clients_) carried_[client.site] += client.per_second;
    for (std::size_t s = 0; s < kSites; ++s) {
      most_over_ = std::max(most_over_, carried_[s] / capacity_);
    }
  }

  const double capacity_;
  Core core_;
  Random random_;
  std::vector<Client> clients_;
  double total_ = 0;
  std::array<bool, kSites> is_dead_{};
  std::map<std::string, std::uint64_t> sequence_;
  Instant now_ = kStart;
  event::Position last_ = 0;
  std::vector<double> carried_;
  double most_over_ = 0;
  std::uint64_t moved_ = 0;
};

// Site 0 has room for 300 of the some 500 that prefer it.
TEST(Capacity, HoldsThroughAnHourWithResolverCaches) {
  Hour hour(300);
  ASSERT_GT(hour.total(), 700);
  hour.run(Seconds(600));  // rates become known, caches run out
  hour.most_over();
  hour.moved();
  hour.run(Seconds(1'200));
  // A mean over four TTLs is some per cent off, and a network is moved whole.
  EXPECT_LT(hour.most_over(), 1.05);
  EXPECT_GT(hour.carried()[0], 0.85 * 300);
  // It stands still: nobody is sent to and fro by caches that follow late.
  EXPECT_LT(hour.moved(), kNetworks / 10);

  hour.kill(3);
  hour.run(Seconds(300));
  EXPECT_EQ(hour.carried()[3], 0);
  hour.most_over();
  hour.moved();
  hour.run(Seconds(1'500));
  EXPECT_LT(hour.most_over(), 1.05);
  EXPECT_LT(hour.moved(), kNetworks / 10);
}

TEST(Capacity, CostsNothingWhereThereIsRoom) {
  Hour bounded(10'000);
  Hour unbounded(0);
  bounded.run(Seconds(300));
  unbounded.run(Seconds(300));
  EXPECT_EQ(bounded.carried(), unbounded.carried());
  EXPECT_EQ(bounded.mean_ms(), unbounded.mean_ms());
}

}  // namespace
}  // namespace isochrone::sim
