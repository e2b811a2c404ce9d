// SPDX-License-Identifier: Apache-2.0
//
// Client Subnet answers and scopes beside gdnsd's, whose scopes are right on static maps: the same
// random maps, the same random questions, compared one by one.
//
// Size: ISOCHRONE_MAPS maps (default 300), kMapsPerServer of them in one gdnsd.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "base/fd.h"
#include "base/listening.h"
#include "base/random.h"
#include "dns/follower.h"
#include "tests/app/scratch.h"
#include "tests/dns/vocabulary.h"
#include "tests/support/child.h"
#include "tests/support/daemon.h"

namespace isochrone::dns::testing {
namespace {

constexpr std::uint64_t kSeed = 20'260'501;
constexpr std::size_t kMapsPerServer = 1'000;
constexpr int kQuestionsPerMap = 40;
constexpr std::uint16_t kSites = 5;  // site i answers 192.0.2.(i + 1); the default is site 0 first
// gdnsd keeps 6to4, Teredo and mapped IPv4 as parts of its IPv4 tree, which splits what lies around
// them. Inside this block, which every map gives to a site, both see the same tree.
const Prefix kV6 = prefix("2a00::/12");
constexpr routing::SiteId kV6Site{1};

using Map = std::map<Prefix, routing::SiteId>;

routing::Topology topology() {
  routing::Topology topology;
  routing::Service service;
  service.name = "www.example.com";
  for (std::uint16_t i = 0; i < kSites; ++i) {
    const Address one = Address::v4(192, 0, 2, static_cast<std::uint8_t>(i + 1));
    topology.sites.push_back({fmt::format("dc{}", i), {}, {one}});
    service.sites.emplace_back(i);
  }
  topology.services = {service};
  return topology;
}

// The best site first, the others in their order: what both servers are told.
std::vector<std::uint16_t> order_of(routing::SiteId best) {
  std::vector<std::uint16_t> order{best.value()};
  for (std::uint16_t i = 0; i < kSites; ++i) {
    if (i != best.value()) order.push_back(i);
  }
  return order;
}

NodeState state_of(const Map& map) {
  NodeState state;
  for (const auto& [network, best] : map) {
    routing::PrefixState known;
    known.prefix = network;
    const auto order = order_of(best);
    for (std::size_t i = 0; i < order.size(); ++i) {
      routing::Estimate estimate;
      estimate.p50 = estimate.min = estimate.p90 = Micros(10'000 * static_cast<int>(i + 1));
      estimate.samples = 100;
      known.set(routing::SiteId(order[i]), estimate);
    }
    known.prefer(routing::ServiceId(0), best);
    known.version = 1;
    state.performance.put(known);
  }
  return state;
}

// Any bits below `network`, `length` long.
Prefix inside(const Prefix& network, int length, Random& random) {
  auto bytes = network.address().bytes();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const int fixed = std::clamp(network.length() - static_cast<int>(8 * i), 0, 8);
    const auto free_bits = static_cast<std::uint8_t>(0xff >> fixed);
    bytes[i] = static_cast<std::uint8_t>(bytes[i] | (random() & free_bits));
  }
  const std::size_t octets = network.family() == Family::v4 ? 4 : 16;
  const auto filled = Address::from_bytes(network.family(), Bytes(bytes).first(octets));
  return Prefix(*filled, std::max(length, network.length()));
}

int between(int low, int high, Random& random) {
  return low + static_cast<int>(random.below(static_cast<std::uint64_t>(high - low + 1)));
}

Prefix parent_of(const Prefix& network) { return Prefix(network.address(), network.length() - 1); }

// Networks whose halves all have one other answer are never seen. gdnsd merges the halves first and then
// takes either (gdnsd-plugin-geoip(8): "it is arbitrary which one wins"), so they are left out.
void drop_hidden(Map& map) {
  Map merged = map;
  for (int length = 128; length > 0; --length) {
    for (auto at = merged.begin(); at != merged.end(); ++at) {
      if (at->first.length() != length) continue;
      const auto next = std::next(at);  // halves lie side by side but for what is inside the first
      const Prefix parent = parent_of(at->first);
      const auto other = std::find_if(next, merged.end(), [&](const auto& entry) {
        return entry.first.length() == length && parent_of(entry.first) == parent;
      });
      if (other == merged.end() || other->second != at->second) continue;
      const auto hidden = map.find(parent);
      if (hidden != map.end() && hidden->second != at->second) map.erase(hidden);
      merged[parent] = at->second;
    }
  }
}

// Networks side by side, inside one another, and alike in their answer or not.
Map random_map(Random& random) {
  Map map{{kV6, kV6Site}};
  std::vector<Prefix> parents{prefix("0.0.0.0/0"), kV6};
  const int wanted = between(1, 40, random);
  for (int i = 0; i < wanted; ++i) {
    const Prefix parent = parents[random.below(parents.size())];
    const int width = parent.family() == Family::v4 ? 32 : 64;
    if (parent.length() >= width) continue;
    const int longest = std::min(width, parent.length() + between(1, 24, random));
    const Prefix network = inside(parent, between(parent.length() + 1, longest, random), random);
    if (!map.emplace(network, routing::SiteId(static_cast<std::uint16_t>(random.below(kSites))))
             .second) {
      continue;
    }
    parents.push_back(network);
  }
  drop_hidden(map);
  // Without the block both see other trees again.
  return map.contains(kV6) ? map : random_map(random);
}

// Around the borders of the map, where scopes are decided, and anywhere.
Prefix random_question(const Map& map, Random& random) {
  for (;;) {
    const auto& network =
        std::next(map.begin(), static_cast<std::ptrdiff_t>(random.below(map.size())))->first;
    const int width = network.family() == Family::v4 ? 32 : 128;
    const bool is_anywhere = network.family() == Family::v4 && random.below(4) == 0;
    const int least = network.family() == Family::v4 ? 0 : kV6.length();
    const int around = is_anywhere ? 0 : std::max(least, network.length() - between(0, 3, random));
    const Prefix base(network.address(), around);
    const Prefix asked = inside(base, std::min(width, around + between(0, 20, random)), random);
    // Of a private network nobody measures the resolver is asked for instead (RFC 7871 section 10),
    // which gdnsd does not know; of no bits at all both do, in a test of its own.
    if (asked.length() > 0 && private_bit(asked.address()) == 0) return asked;
  }
}

class Gdnsd {
 public:
  explicit Gdnsd(const std::vector<Map>& maps) : port_(free_port()) {
    write("etc/config", config(maps.size()));
    std::string zone = "@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\nns A 192.0.2.53\n";
    for (std::size_t i = 0; i < maps.size(); ++i) {
      zone += fmt::format("m{0} 30 DYNA geoip!m{0}\n", i);
      write(fmt::format("etc/geoip/nets{}", i), networks(maps[i]));
    }
    write("etc/zones/example.com", zone);
    for (const char* name : {"run", "state"}) std::filesystem::create_directory(path(name));
    child_.emplace(std::vector<std::string>{"gdnsd", "-c", path("etc"), "start"}, path("log"));
    socket_ = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const timeval patience{1, 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_storage to{};
    const auto size = Endpoint{address("127.0.0.1"), port_}.to_sockaddr(to);
    EXPECT_EQ(connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), size), 0);
  }

  bool is_ready() {
    return test::eventually([this] { return !exchange({.name = "ns.example.com"}).empty(); });
  }
  Heard ask(std::size_t map, const Prefix& subnet) {
    const auto reply =
        exchange({.name = fmt::format("m{}.example.com", map), .payload = 1232, .subnet = subnet});
    return reply.empty() ? Heard{} : hear(reply);
  }
  std::string log() const {
    std::ifstream in(path("log"));
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  // Free a moment ago: nothing but chance takes it before gdnsd does.
  static std::uint16_t free_port() {
    const auto socket = listen_tcp({address("127.0.0.1"), 0});
    return socket ? bound_port(*socket) : std::uint16_t{0};
  }
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((folder_.path() / name).parent_path());
    std::ofstream(path(name)) << text;
  }

  std::string config(std::size_t maps) const {
    std::string text = fmt::format(
        "options => {{ listen => 127.0.0.1:{}, udp_threads => 1, tcp_threads => 1, run_dir => {}, "
        "state_dir => {}, edns_client_subnet => true }}\nplugins => {{ geoip => {{ maps => {{\n",
        port_, path("run"), path("state"));
    for (std::size_t i = 0; i < maps; ++i) {
      text += fmt::format("m{0} => {{ datacenters => [{1}], nets => nets{0} }}\n", i, names(0));
    }
    text += "} resources => {\n";
    for (std::size_t i = 0; i < maps; ++i) {
      text += fmt::format("m{0} => {{ map => m{0}, service_types => up, dcmap => {{", i);
      for (int site = 0; site < kSites; ++site) {
        text += fmt::format(" dc{} => 192.0.2.{}", site, site + 1);
      }
      text += " } }\n";
    }
    return text + "} } }\n";
  }
  static std::string names(std::uint16_t best) {
    std::string text;
    for (const auto site : order_of(routing::SiteId(best))) text += fmt::format("dc{}, ", site);
    text.resize(text.size() - 2);
    return text;
  }
  static std::string networks(const Map& map) {
    std::string text;
    for (const auto& [network, best] : map) {
      text += fmt::format("{} => [{}]\n", network.to_string(), names(best.value()));
    }
    return text;
  }

  std::vector<std::uint8_t> exchange(const Question& question) {
    const auto query = wire(question);
    std::vector<std::uint8_t> reply(4'096);
    if (send(socket_.get(), query.data(), query.size(), 0) < 0) return {};
    const ssize_t size = recv(socket_.get(), reply.data(), reply.size(), 0);
    reply.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return reply;
  }

  app::Scratch folder_;
  std::uint16_t port_;
  std::optional<test::Child> child_;
  Fd socket_;
};

class GdnsdMaps : public ::testing::Test {
 protected:
  Heard ours(const Map& map, const Prefix& subnet) {
    if (!zones_) zones_ = zones_of({{"example.com", kZone}}, *topology_);
    if (&map != built_) {
      BuildInputs inputs;
      inputs.zones = zones_;
      inputs.topology = topology_;
      snapshot_ = build_snapshot(inputs, state_of(map), 1);
      built_ = &map;
    }
    return ask(*snapshot_, {.name = "www.example.com",
                            .payload = 1232,
                            .subnet = subnet,
                            .sender = address("127.0.0.1")});
  }
  static std::string essence(const Heard& heard) {
    std::string text = heard.rcode;
    for (const std::string& line : heard.answer) text += " " + line.substr(line.find(" A ") + 3);
    return fmt::format("{} {} /{}", text, heard.subnet, heard.scope.value_or(-1));
  }
  static std::string texts_of(const Map& map) {
    std::string text;
    for (const auto& [network, best] : map) {
      text += fmt::format("  {} -> site {}\n", network.to_string(), best.value());
    }
    return text;
  }

  static constexpr const char* kZone =
      "$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\nns A 192.0.2.53\n";
  const std::shared_ptr<const routing::Topology> topology_ =
      std::make_shared<const routing::Topology>(topology());
  std::shared_ptr<const ZoneSet> zones_;
  std::shared_ptr<const Snapshot> snapshot_;
  const Map* built_ = nullptr;
};

TEST_F(GdnsdMaps, AgreeOnTheMapThatOthersGetWrong) {
  const std::vector<Map> maps{{{prefix("10.0.0.0/8"), routing::SiteId(1)},
                               {prefix("10.1.2.0/24"), routing::SiteId(2)},
                               {kV6, kV6Site}}};
  Gdnsd gdnsd(maps);
  ASSERT_TRUE(gdnsd.is_ready()) << gdnsd.log();
  const std::pair<const char*, const char*> rows[] = {
      {"10.9.9.0/24", "NOERROR 192.0.2.2 1 24 0a0909 /13"},
      {"10.1.2.0/24", "NOERROR 192.0.2.3 1 24 0a0102 /24"},
      {"10.1.0.0/16", "NOERROR 192.0.2.2 1 16 0a01 /23"},
      {"11.0.0.0/24", "NOERROR 192.0.2.1 1 24 0b0000 /8"},
      {"0.0.0.0/0", "NOERROR 192.0.2.1 1 0  /0"},
  };
  for (const auto& [subnet, expected] : rows) {
    EXPECT_EQ(essence(ours(maps[0], prefix(subnet))), expected);
    EXPECT_EQ(essence(gdnsd.ask(0, prefix(subnet))), expected) << subnet;
  }
}

TEST_F(GdnsdMaps, AgreeOnRandomMaps) {
  const char* given = std::getenv("ISOCHRONE_MAPS");
  const std::size_t wanted = given == nullptr ? 300 : std::strtoul(given, nullptr, 10);
  Random random(kSeed);
  std::size_t asked = 0, networks = 0, differ = 0;
  for (std::size_t done = 0; done < wanted;) {
    std::vector<Map> maps;
    while (maps.size() < std::min(kMapsPerServer, wanted - done))
      maps.push_back(random_map(random));
    done += maps.size();
    Gdnsd gdnsd(maps);
    ASSERT_TRUE(gdnsd.is_ready()) << gdnsd.log();
    for (std::size_t i = 0; i < maps.size() && differ < 5; ++i) {
      networks += maps[i].size();
      for (int n = 0; n < kQuestionsPerMap; ++n, ++asked) {
        const Prefix subnet = random_question(maps[i], random);
        const std::string theirs = essence(gdnsd.ask(i, subnet));
        const std::string made = essence(ours(maps[i], subnet));
        if (made == theirs) continue;
        ++differ;
        ADD_FAILURE() << subnet.to_string() << ": " << made << ", gdnsd " << theirs << "\n"
                      << texts_of(maps[i]);
      }
    }
  }
  fmt::print("{} maps of {} networks, {} questions: {} answers or scopes differ from gdnsd's\n",
             wanted, networks, asked, differ);
}

}  // namespace
}  // namespace isochrone::dns::testing
