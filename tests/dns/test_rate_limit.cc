// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "dns/rate_limit.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

using enum RateLimiter::Verdict;

struct Tally {
  int sent = 0, truncated = 0, dropped = 0;
};

class RateLimit : public ::testing::Test {
 protected:
  RateLimit() { configure({.replies_per_second = 100}); }
  void configure(const RateLimitOptions& options, unsigned workers = 1) {
    limiter_.configure(options, workers);
  }
  Tally send(int replies, std::string_view receiver) {
    Tally tally;
    for (int i = 0; i < replies; ++i) {
      const auto verdict = limiter_.count(address(receiver), now_);
      ++(verdict == RateLimiter::Verdict::send ? tally.sent
         : verdict == truncate                 ? tally.truncated
                                               : tally.dropped);
    }
    return tally;
  }
  void wait(Millis time) { now_ += time; }

 private:
  RateLimiter limiter_;
  Monotonic now_{Seconds(10)};
};

TEST_F(RateLimit, ANetworkGetsOneSecondsWorthAndThenEverySlipthTruncated) {
  const Tally tally = send(300, "192.0.2.1");
  EXPECT_EQ(tally.sent, 100);
  EXPECT_EQ(tally.truncated, 100);
  EXPECT_EQ(tally.dropped, 100);
}

TEST_F(RateLimit, CountsAPrefixAsOneAndOthersApart) {
  send(100, "192.0.2.1");
  EXPECT_EQ(send(10, "192.0.2.250").sent, 0);
  EXPECT_EQ(send(10, "192.0.3.1").sent, 10);
  send(100, "2001:db8:0:1::1");
  EXPECT_EQ(send(10, "2001:db8:0:ff::1").sent, 0);
  EXPECT_EQ(send(10, "2001:db8:0:100::1").sent, 10);
}

TEST_F(RateLimit, FillsAgainAtTheRate) {
  send(200, "192.0.2.1");
  wait(Millis(100));
  EXPECT_EQ(send(50, "192.0.2.1").sent, 10);
  wait(Seconds(3'600));
  EXPECT_EQ(send(200, "192.0.2.1").sent, 100);
}

TEST_F(RateLimit, SlipOfZeroDropsAllAndOfOneNone) {
  configure({.replies_per_second = 100, .slip = 0});
  EXPECT_EQ(send(200, "192.0.2.1").dropped, 100);
  configure({.replies_per_second = 100, .slip = 1});
  EXPECT_EQ(send(200, "192.0.2.1").truncated, 200);
}

TEST_F(RateLimit, ExemptNetworksAreNeverLimitedAndWorkersShareTheRate) {
  configure({.replies_per_second = 100, .exempt = {prefix("192.0.2.0/25")}}, 4);
  EXPECT_EQ(send(1000, "192.0.2.1").sent, 1000);
  EXPECT_EQ(send(1000, "192.0.2.129").sent, 25);
}

TEST_F(RateLimit, AFloodFromEverywhereForgetsTheIdleAndNeverStops) {
  configure({.replies_per_second = 1});
  int sent = 0;
  for (unsigned i = 0; i < 500'000; ++i) {
    const auto receiver =
        Address::v4(static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
                    static_cast<std::uint8_t>(i), 1);
    sent += send(1, receiver.to_string()).sent;
  }
  EXPECT_EQ(sent, 500'000);  // each network's first reply goes out
}

}  // namespace
}  // namespace isochrone::dns::testing
