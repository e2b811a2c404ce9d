// SPDX-License-Identifier: Apache-2.0
//
// Core: a network that is hardly known leans on those that are like it, when it is decided for.
#include <gtest/gtest.h>

#include <string>

#include "collector/core.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

class ThinPaths : public testing::Test {
 protected:
  ThinPaths() {
    Options options = test_options();
    options.routed = std::make_shared<const routing::RoutedNetworks>(
        *routing::RoutedNetworks::parse("198.18.0.0/16 64500\n192.0.2.0/24 64501\n"));
    core_.emplace(options, two_sites(), 1);
  }

  void measure(const std::string& prefix, int answers, Micros fra, Micros iad) {
    for (int i = 0; i < answers; ++i) {
      for (const char* site : {"fra", "iad"}) {
        const Micros rtt = std::string(site) == "fra" ? fra : iad;
        core_->apply({measured(++sequence_, site, prefix.c_str(), now_, rtt)}, {++position_}, now_);
      }
    }
  }
  void close() {
    now_ += Seconds(2);
    core_->advance(now_);
    core_->outbox_is_durable();
  }
  std::string preferred(const char* prefix) const {
    const auto* known = core_->state().find(*Prefix::parse(prefix));
    const auto* site = known != nullptr ? known->preferred(routing::ServiceId(0)) : nullptr;
    return site != nullptr ? core_->topology().sites[site->index()].name : "";
  }

  std::optional<Core> core_;
  Instant now_ = kStart;
  std::uint64_t sequence_ = 0;
  event::Position position_ = 0;
};

TEST_F(ThinPaths, LeanOnNetworksThatAreRoutedTogether) {
  for (int i = 0; i < 60; ++i) {
    measure("198.18." + std::to_string(i) + ".0/24", 10, Micros(20'000 + i * 5),
            Micros(23'000 + i * 5));
  }
  close();
  // One answer each, of which one was held up.
  measure("198.18.200.0/24", 1, Micros(23'500), Micros(23'000));
  measure("192.0.2.0/24", 1, Micros(23'500), Micros(23'000));
  close();
  EXPECT_EQ(preferred("198.18.200.0/24"), "fra") << "as all that is routed with it";
  EXPECT_EQ(preferred("192.0.2.0/24"), "iad") << "nothing is known but this";
  // What is measured well is believed.
  measure("198.18.201.0/24", 10, Micros(23'500), Micros(21'000));
  close();
  EXPECT_EQ(preferred("198.18.201.0/24"), "iad");
  // Events say what was measured.
  EXPECT_EQ(core_->state().find(*Prefix::parse("198.18.200.0/24"))->find(routing::SiteId(0))->p50,
            Micros(23'500));
}

TEST_F(ThinPaths, LeanAfterTheSitesWereNumberedAnew) {
  for (int i = 0; i < 60; ++i) {
    measure("198.18." + std::to_string(i) + ".0/24", 10, Micros(20'000 + i * 5),
            Micros(23'000 + i * 5));
  }
  close();
  routing::Topology turned = two_sites();
  std::swap(turned.sites[0], turned.sites[1]);
  Options options = test_options();
  options.routed = std::make_shared<const routing::RoutedNetworks>(
      *routing::RoutedNetworks::parse("198.18.0.0/16 64500\n"));
  core_->reconfigure(options, turned);
  measure("198.18.200.0/24", 1, Micros(23'500), Micros(23'000));
  close();
  EXPECT_EQ(preferred("198.18.200.0/24"), "fra");
}

}  // namespace
}  // namespace isochrone::collector
