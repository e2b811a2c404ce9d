// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "prober/in_flight.h"
#include "tests/prober/vocabulary.h"

namespace isochrone::prober {
namespace {

const Address kHost = Address::v4(192, 0, 2, 1);

Probe sent_at(Nanos time) {
  Probe probe;
  probe.destination = kHost;
  probe.sent_at = at(time);
  return probe;
}

TEST(InFlight, TellsTheFirstAnswerFromLaterOnes) {
  InFlight in_flight(4);
  const std::uint64_t sequence = in_flight.add(sent_at(Nanos(0))).sequence;
  EXPECT_EQ(in_flight.answer(sequence, kHost, Method::icmp).outcome, Outcome::answered);
  EXPECT_EQ(in_flight.answer(sequence, kHost, Method::icmp).outcome, Outcome::duplicate);
  EXPECT_EQ(in_flight.waiting(), 0U);
}

TEST(InFlight, CountsAnAnswerAfterTheLossAsLate) {
  InFlight in_flight(4);
  const std::uint64_t sequence = in_flight.add(sent_at(Nanos(0))).sequence;
  ASSERT_NE(in_flight.expire(at(Nanos(0))), nullptr);
  EXPECT_EQ(in_flight.answer(sequence, kHost, Method::icmp).outcome, Outcome::late);
  EXPECT_EQ(in_flight.answer(sequence, kHost, Method::icmp).outcome, Outcome::duplicate);
}

TEST(InFlight, RejectsAnAnswerFromElsewhereByAnotherMethodOrToNothing) {
  InFlight in_flight(4);
  const std::uint64_t sequence = in_flight.add(sent_at(Nanos(0))).sequence;
  EXPECT_EQ(in_flight.answer(sequence, Address::v4(192, 0, 2, 2), Method::icmp).outcome,
            Outcome::forged);
  EXPECT_EQ(in_flight.answer(sequence, kHost, Method::tcp).outcome, Outcome::forged);
  EXPECT_EQ(in_flight.answer(sequence + 1, kHost, Method::icmp).outcome, Outcome::forged);
  EXPECT_EQ(in_flight.answer(0, kHost, Method::icmp).outcome, Outcome::forged);
  EXPECT_EQ(in_flight.waiting(), 1U);
}

TEST(InFlight, LosesInOrderOfSendingAndOnlyWhatIsOldEnough) {
  InFlight in_flight(4);
  in_flight.add(sent_at(Millis(1)));
  const std::uint64_t second = in_flight.add(sent_at(Millis(2))).sequence;
  in_flight.add(sent_at(Millis(3)));
  in_flight.answer(second, kHost, Method::icmp);
  EXPECT_EQ(in_flight.expire(at(Millis(2)))->sent_at, at(Millis(1)));
  EXPECT_EQ(in_flight.expire(at(Millis(2))), nullptr);
  EXPECT_EQ(in_flight.oldest(), at(Millis(3)));
  EXPECT_EQ(in_flight.expire(at(Millis(3)))->sent_at, at(Millis(3)));
  EXPECT_EQ(in_flight.oldest(), std::nullopt);
}

TEST(InFlight, NeverOverwritesAWaitingProbe) {
  InFlight in_flight(2);
  const std::uint64_t first = in_flight.add(sent_at(Nanos(0))).sequence;
  in_flight.add(sent_at(Nanos(0)));
  EXPECT_TRUE(in_flight.is_full());
  in_flight.answer(first, kHost, Method::icmp);
  EXPECT_FALSE(in_flight.is_full());
  in_flight.add(sent_at(Nanos(0)));
  EXPECT_EQ(in_flight.find(first), nullptr);
  EXPECT_EQ(in_flight.answer(first, kHost, Method::icmp).outcome, Outcome::late);
}

TEST(InFlight, GrowsWithoutLosingWhatIsOnItsWay) {
  InFlight in_flight(2);
  const std::uint64_t first = in_flight.add(sent_at(Millis(1))).sequence;
  in_flight.add(sent_at(Millis(2)));
  in_flight.grow(64);
  EXPECT_FALSE(in_flight.is_full());
  EXPECT_EQ(in_flight.answer(first, kHost, Method::icmp).outcome, Outcome::answered);
  EXPECT_EQ(in_flight.expire(at(Millis(2)))->sent_at, at(Millis(2)));
}

TEST(InFlight, FindsTheNewestProbeWithGivenLowBits) {
  InFlight in_flight(16);
  for (int i = 0; i < 40; ++i) {
    const std::uint64_t sequence = in_flight.add(sent_at(Nanos(0))).sequence;
    in_flight.answer(sequence, kHost, Method::icmp);
  }
  ASSERT_NE(in_flight.find_low_bits(35 & 15, 15), nullptr);
  EXPECT_EQ(in_flight.find_low_bits(35 & 15, 15)->sequence, 35U);
  EXPECT_EQ(in_flight.find_low_bits(30, 255)->sequence, 30U);
  EXPECT_EQ(in_flight.find_low_bits(200, 255), nullptr);
}

TEST(InFlight, ForgetsACancelledProbeButNotItsSequence) {
  InFlight in_flight(4);
  const std::uint64_t first = in_flight.add(sent_at(Nanos(0))).sequence;
  EXPECT_TRUE(in_flight.cancel(first));
  EXPECT_FALSE(in_flight.cancel(first));
  EXPECT_EQ(in_flight.waiting(), 0U);
  EXPECT_EQ(in_flight.expire(at(Seconds(1))), nullptr);
  EXPECT_GT(in_flight.add(sent_at(Nanos(0))).sequence, first);
}

}  // namespace
}  // namespace isochrone::prober
