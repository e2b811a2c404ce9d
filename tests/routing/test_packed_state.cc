// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/random.h"
#include "routing/packed_state.h"
#include "tests/routing/vocabulary.h"

namespace isochrone::routing::testing {
namespace {

constexpr std::uint64_t kSeed = 20'260'726;

// Of few enough networks that most are met again, nested ones and both families among them.
Prefix draw_prefix(Random& random) {
  const int length = static_cast<int>(8 + random.below(17));
  const std::uint64_t high = random.below(64) << 56 | random.below(64) << 40;
  const bool is_v4 = random.below(4) != 0;
  return {Address::from_bits(is_v4 ? Family::v4 : Family::v6, high, 0),
          is_v4 ? length : length * 3};
}

Estimate draw_estimate(Random& random) {
  Estimate estimate = rtt(static_cast<double>(random.below(400'000)) / 1'000);
  estimate.p90 = Micros(static_cast<Micros::rep>(random.below(std::uint64_t{1} << 32)));
  estimate.at =
      from_unix_nanos(static_cast<std::int64_t>(random() >> 2) * (random.below(2) == 0 ? 1 : -1));
  if (random.below(2) == 0) estimate.at = from_unix_nanos(1'700'000'000'000'000'000);
  estimate.samples = static_cast<std::uint32_t>(random());
  estimate.loss_permille = static_cast<std::uint16_t>(random.below(1'001));
  estimate.method = static_cast<Method>(random.below(6));
  return estimate;
}

PrefixState draw_state(Random& random) {
  PrefixState state;
  state.prefix = draw_prefix(random);
  state.version = random.below(16) == 0 ? random() : random.below(1'000);
  for (std::uint64_t i = random.below(4); i > 0; --i) {
    state.set(SiteId(static_cast<std::uint16_t>(random.below(300))), draw_estimate(random));
  }
  if (random.below(2) == 0) state.prefer(kWww, kIad);
  return state;
}

void expect_same(const PackedState& packed, const std::map<Prefix, PrefixState>& model) {
  ASSERT_EQ(packed.size(), model.size());
  auto expected = model.begin();
  packed.for_each([&](const PrefixState& state) {
    ASSERT_NE(expected, model.end());
    EXPECT_EQ(state.prefix, expected->first);
    EXPECT_EQ(state.version, expected->second.version);
    EXPECT_EQ(state.paths, expected->second.paths);
    EXPECT_EQ(state.preferences, expected->second.preferences);
    ++expected;
  });
  EXPECT_EQ(expected, model.end());
}

TEST(PackedState, KeepsWhatAPlainMapWould) {
  Random random(kSeed);
  PackedState packed;
  std::map<Prefix, PrefixState> model;
  // Enough changes to be packed several times over.
  for (int step = 0; step < 60'000; ++step) {
    const PrefixState next = draw_state(random);
    const auto known = model.find(next.prefix);
    if (random.below(8) == 0) {
      EXPECT_EQ(packed.erase(next.prefix), known != model.end());
      model.erase(next.prefix);
    } else {
      const bool is_new = known == model.end() || next.version > known->second.version;
      ASSERT_EQ(packed.apply(next), is_new) << "seed " << kSeed << " step " << step;
      if (is_new) model[next.prefix] = next;
    }
    if (step % 15'000 == 0) expect_same(packed, model);
  }
  expect_same(packed, model);
  for (int i = 0; i < 1'000; ++i) {
    const Prefix prefix = draw_prefix(random);
    EXPECT_EQ(packed.find(prefix).has_value(), model.contains(prefix));
    std::vector<Prefix> inside;
    packed.for_each_inside(prefix,
                           [&](const PrefixState& state) { inside.push_back(state.prefix); });
    std::vector<Prefix> expected;
    for (const auto& [known, state] : model) {
      if (prefix.contains(known)) expected.push_back(known);
    }
    ASSERT_EQ(inside, expected) << prefix.to_string();
  }
}

TEST(PackedState, TakesFewOctetsForAPrefixWithAPath) {
  PackedState packed;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    PrefixState state;
    state.prefix = Prefix(Address::from_bits(Family::v4, (0x01'0000 + i) << 40, 0), 24);
    state.version = i;
    Estimate estimate = rtt(20);
    estimate.at = from_unix_nanos(1'700'000'000'000'000'000);
    state.set(kFra, estimate);
    state.prefer(kWww, kFra);
    packed.put(state);
  }
  EXPECT_LT(packed.memory_bytes(), 100'000U * 40);
}

TEST(PackedState, PutReplacesWhateverTheVersion) {
  PackedState packed;
  packed.put(measured("192.0.2.0/24", {{kFra, rtt(10)}}));
  packed.put(measured("10.0.0.0/8", {{kIad, rtt(10)}}));
  packed.put(measured("192.0.2.0/24", {{kSin, rtt(10)}}));
  EXPECT_EQ(packed.size(), 2U);
  EXPECT_EQ(packed.find(prefix("192.0.2.0/24"))->paths.front().site, kSin);
  EXPECT_FALSE(packed.find(prefix("192.0.2.0/25")));
}

}  // namespace
}  // namespace isochrone::routing::testing
