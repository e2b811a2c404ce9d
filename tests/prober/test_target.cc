// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "prober/target.h"
#include "tests/prober/vocabulary.h"

namespace isochrone::prober {
namespace {

using Added = TargetSet::Added;

const OptOut kNobody({}, true);

Added demand(TargetSet& targets, std::uint8_t network, std::uint32_t weight,
             Nanos expires = Seconds(60)) {
  const std::vector<Address> addresses{Address::v4(10, 0, network, 1)};
  return targets
      .demand(Prefix(Address::v4(10, 0, network, 0), 24), addresses, weight, at(expires), kNobody)
      .added;
}

TEST(TargetSet, RenewsWhatItKnows) {
  TargetSet targets;
  EXPECT_EQ(demand(targets, 1, 5, Seconds(10)), Added::added);
  EXPECT_EQ(demand(targets, 1, 5, Seconds(20)), Added::renewed);
  targets.expire(at(Seconds(15)));
  EXPECT_EQ(targets.demanded(), 1U);
  targets.expire(at(Seconds(20)));
  EXPECT_EQ(targets.demanded(), 0U);
}

TEST(TargetSet, LetsTheLeastWeightGoWhenFull) {
  TargetSet targets(2);
  demand(targets, 1, 5);
  demand(targets, 2, 9);
  EXPECT_EQ(demand(targets, 3, 5), Added::refused);
  EXPECT_EQ(demand(targets, 3, 6), Added::added);
  EXPECT_EQ(targets.demanded(), 2U);
  for (const std::uint32_t slot : targets.live()) EXPECT_GE(targets.at(slot).weight, 6U);
}

TEST(TargetSet, AFormerLifeOfASlotFindsNothing) {
  TargetSet targets(1);
  demand(targets, 1, 1);
  const TargetRef former = targets.ref(targets.live()[0]);
  ASSERT_NE(targets.find(former), nullptr);
  demand(targets, 2, 2);
  EXPECT_EQ(targets.live()[0], former.slot);
  EXPECT_EQ(targets.find(former), nullptr);
}

TEST(TargetSet, KeepsConfiguredTargetsAndGathersTheirAddresses) {
  TargetSet targets;
  const Prefix network = prefix("10.9.0.0/24");
  const std::vector<TargetSource> sources{{network, address("10.9.0.1")},
                                          {network, address("10.9.0.2")}};
  EXPECT_EQ(targets.configure(sources, kNobody), 0U);
  targets.expire(at(Seconds(1'000'000)));
  ASSERT_EQ(targets.configured(), 1U);
  EXPECT_EQ(targets.at(targets.live()[0]).addresses.size(), 2U);
  targets.configure({}, kNobody);
  EXPECT_EQ(targets.configured(), 0U);
}

TEST(TargetSet, DropsWhoOptsOutLater) {
  TargetSet targets;
  demand(targets, 1, 1);
  demand(targets, 2, 1);
  targets.apply(OptOut({prefix("10.0.2.0/24")}, true));
  ASSERT_EQ(targets.demanded(), 1U);
  EXPECT_EQ(targets.at(targets.live()[0]).prefix, prefix("10.0.1.0/24"));
}

TEST(TargetSet, RefusesATargetWithoutAnAddressThatMayBeProbed) {
  TargetSet targets;
  const std::vector<Address> addresses{address("10.0.0.1"), address("224.0.0.1")};
  const OptOut strict({}, false);
  EXPECT_EQ(targets.demand(prefix("10.0.0.0/24"), addresses, 1, at(Seconds(1)), strict).added,
            Added::refused);
}

TEST(TargetSet, WhoAnswersStaysARepresentativeWhenOthersAreNamed) {
  TargetSet targets;
  const OptOut all({}, true);
  const std::vector first{address("10.0.0.1"), address("10.0.0.2")};
  const auto added = targets.demand(prefix("10.0.0.0/24"), first, 1, at(Seconds(9)), all);
  Target& target = targets.at(added.slot);
  target.address = 1;
  target.is_settled = true;
  std::vector<Address> others;
  for (std::uint8_t i = 10; i < 10 + kMaxAddresses; ++i) others.push_back(Address::v4(10, 0, 0, i));
  targets.demand(prefix("10.0.0.0/24"), others, 1, at(Seconds(9)), all);
  EXPECT_EQ(target.addresses.size(), kMaxAddresses);
  ASSERT_TRUE(target.is_settled);
  EXPECT_EQ(target.addresses.at(target.address), first[1]);
  targets.demand(prefix("10.0.0.0/24"), others, 1, at(Seconds(9)),
                 OptOut({prefix("10.0.0.2/32")}, true));
  EXPECT_FALSE(target.is_settled);
}

}  // namespace
}  // namespace isochrone::prober
