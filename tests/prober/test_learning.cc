// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <vector>

#include "prober/learning.h"
#include "tests/prober/vocabulary.h"

namespace isochrone::prober {
namespace {

const std::vector<Method> kAll{Method::icmp, Method::tcp, Method::dns, Method::hop};

// One target that is probed again and again; `answers` is its network.
class Learner {
 public:
  explicit Learner(std::vector<Address> addresses, std::vector<Method> methods = kAll)
      : methods_(std::move(methods)) {
    target.addresses = std::move(addresses);
  }

  Probe probe(bool may_try = false) {
    const Choice choice = choose(target, methods_, may_try);
    Probe probe;
    probe.destination = target.addresses.at(choice.address);
    probe.method = methods_.at(choice.method);
    probe.ttl = choice.ttl;
    probe.is_trial = choice.is_trial;
    const bool is_measured = answers(probe) ? note_answer(target, methods_, probe, false)
                                            : note_loss(target, methods_, probe);
    if (may_try) ++target.trials;
    measured += is_measured ? 1 : 0;
    return probe;
  }

  std::function<bool(const Probe&)> answers = [](const Probe&) { return false; };
  Target target;
  int measured = 0;

 private:
  std::vector<Method> methods_;
};

TEST(Learning, TriesEveryMethodWithinAsManyProbes) {
  Learner learner({address("10.0.0.1")});
  std::vector<Method> tried;
  for (int i = 0; i < 4; ++i) tried.push_back(learner.probe().method);
  EXPECT_EQ(tried, kAll);
}

TEST(Learning, TriesEveryPairBeforeItBeginsAgain) {
  for (std::uint8_t addresses = 1; addresses <= 8; ++addresses) {
    std::vector<Address> all;
    for (std::uint8_t i = 0; i < addresses; ++i) all.push_back(Address::v4(10, 0, 0, i));
    Learner learner(all, {Method::icmp, Method::tcp, Method::dns});
    std::set<std::pair<Address, Method>> tried;
    for (int i = 0; i < 3 * addresses; ++i) {
      const Probe probe = learner.probe();
      tried.emplace(probe.destination, probe.method);
    }
    EXPECT_EQ(tried.size(), 3U * addresses);
  }
}

TEST(Learning, KeepsThePairThatAnswersAndReportsItsLossesOnly) {
  Learner learner({address("10.0.0.1"), address("10.0.0.2")});
  learner.answers = [](const Probe& probe) { return probe.method == Method::tcp; };
  learner.probe();  // ICMP, lost: the first pair's, all that is known of the path
  EXPECT_EQ(learner.measured, 1);
  learner.probe();
  EXPECT_TRUE(learner.target.is_settled);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(learner.probe().method, Method::tcp);
  EXPECT_EQ(learner.measured, 12);
  learner.answers = [](const Probe&) { return false; };
  for (int i = 0; i < kPatience; ++i) EXPECT_EQ(learner.probe().method, Method::tcp);
  EXPECT_EQ(learner.measured, 12 + kPatience);
  EXPECT_EQ(learner.probe().method, Method::icmp);
  EXPECT_EQ(learner.measured, 12 + kPatience);  // not of the pair that answered
}

TEST(Learning, ADeadRepresentativeIsReplacedByAnotherThatAnswers) {
  const std::vector<Address> all{address("10.0.0.1"), address("10.0.0.2"), address("10.0.0.3")};
  Learner learner(all);
  learner.answers = [](const Probe& probe) { return probe.method == Method::icmp; };
  learner.probe();
  learner.answers = [&](const Probe& probe) {
    return probe.method == Method::icmp && probe.destination == all[2];
  };
  for (int i = 0; i < 3 + 16; ++i) learner.probe();
  EXPECT_TRUE(learner.target.is_settled);
  EXPECT_EQ(learner.probe().destination, all[2]);
}

TEST(Learning, MeasuresTheLastHopOnlyOnceItIsKnown) {
  Learner learner({address("10.0.0.1")});
  learner.answers = [](const Probe& probe) {
    return probe.method == Method::hop && probe.ttl <= 11;
  };
  int probes = 0;
  while (!learner.target.is_settled && probes < 20) {
    learner.probe();
    ++probes;
  }
  EXPECT_LE(probes, 3 + 8);
  const int before = learner.measured;  // the first ICMP's loss
  EXPECT_EQ(before, 1);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(learner.probe().ttl, 11);
  EXPECT_EQ(learner.measured, before + 5);
}

TEST(Learning, FollowsAPathThatGrewLonger) {
  Learner learner({address("10.0.0.1")}, {Method::hop});
  int length = 5;
  learner.answers = [&](const Probe& probe) { return probe.ttl <= length; };
  for (int i = 0; i < 20; ++i) learner.probe();
  EXPECT_EQ(learner.target.hop.ttl(), 5);
  length = 7;
  for (int i = 0; i < 40; ++i) learner.probe(true);
  EXPECT_EQ(learner.target.hop.ttl(), 7);
  EXPECT_TRUE(learner.target.is_settled);
}

TEST(Learning, ATrialFindsAPreferredMethodAgainAndItsSilenceIsNotReported) {
  Learner learner({address("10.0.0.1")});
  learner.answers = [](const Probe& probe) { return probe.method == Method::dns; };
  for (int i = 0; i < 3; ++i) learner.probe();
  ASSERT_TRUE(learner.target.is_settled);
  const int before = learner.measured;
  std::set<Method> tried;
  for (int i = 0; i < 3; ++i) tried.insert(learner.probe(true).method);
  EXPECT_EQ(tried, (std::set<Method>{Method::icmp, Method::tcp, Method::dns}));
  EXPECT_EQ(learner.measured, before + 1);  // the turn without a better method to try
  learner.answers = [](const Probe&) { return true; };
  for (int i = 0; i < 3; ++i) learner.probe(true);
  EXPECT_EQ(learner.probe().method, Method::icmp);
}

TEST(Learning, ASearchHasItsTurnsAndNoMore) {
  Target target;
  target.addresses = {address("10.0.0.1")};
  int turns = 0;
  while (takes_eager_turn(target)) ++turns;
  EXPECT_EQ(turns, kEager);
  target.is_settled = true;
  target.eager = kEager;
  EXPECT_FALSE(takes_eager_turn(target));
}

TEST(Learning, AReloadKeepsTheMethodByItsName) {
  Learner learner({address("10.0.0.1")});
  learner.answers = [](const Probe& probe) { return probe.method == Method::tcp; };
  learner.probe();
  learner.probe();
  const std::vector<Method> swapped{Method::tcp, Method::icmp};
  follow_methods(learner.target, kAll, swapped);
  EXPECT_TRUE(learner.target.is_settled);
  EXPECT_EQ(learner.target.method, 0U);
  follow_methods(learner.target, swapped, std::vector<Method>{Method::icmp});
  EXPECT_FALSE(learner.target.is_settled);
  EXPECT_EQ(learner.target.method, 0U);
}

}  // namespace
}  // namespace isochrone::prober
