// SPDX-License-Identifier: Apache-2.0
//
// RateLimiter: how many UDP replies a network gets, so that nobody is flooded through us.
//
// A reply to a sender that has not proved its address may go to a victim. Each network has a bucket of
// replies that fills at the configured rate and holds one second of it; past that replies are dropped,
// but for every slip-th, which is sent truncated: a resolver behind the address asks again over TCP.
//
// Threads:  belongs to one worker. Source ports spread over workers, so each gives its share.
// Cost:     one SipHash and at most kWays neighbouring slots; allocates only in configure().
// Failures: more networks than slots: the one idle longest is forgotten, which only ever lets more out.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ip.h"
#include "base/siphash.h"
#include "base/time.h"

namespace isochrone::dns {

struct RateLimitOptions {
  unsigned replies_per_second = 0;  // per network, over all workers; 0: no limit
  unsigned slip = 2;                // 0: every limited reply is dropped; 1: none is
  int ipv4_prefix = 24;
  int ipv6_prefix = 56;
  std::vector<Prefix> exempt = {};

  friend bool operator==(const RateLimitOptions&, const RateLimitOptions&) = default;
};

class RateLimiter {
 public:
  enum class Verdict : std::uint8_t { send, truncate, drop };

  // `workers` share the rate.
  void configure(const RateLimitOptions& options, unsigned workers);
  bool is_on() const noexcept { return options_.replies_per_second != 0; }
  // Counts one reply to `receiver`.
  Verdict count(const Address& receiver, Monotonic now) noexcept;

 private:
  struct Bucket {
    std::uint32_t tag = 0;
    std::uint32_t filled_at_ms =
        0;                      // wraps after 49 days: idle that long, a bucket is full either way
    std::uint32_t tokens = 0;   // thousandths of a reply
    std::uint32_t limited = 0;  // since the bucket was last full enough
  };
  static constexpr std::size_t kBuckets = std::size_t{1} << 16;  // 1 MiB per worker
  static constexpr std::size_t kWays = 4;                        // one cache line

  Bucket& bucket_of(const Address& network, std::uint32_t now_ms) noexcept;

  RateLimitOptions options_;
  std::uint32_t per_second_ = 0;  // this worker's share, at least 1
  SipKey key_ = SipKey::random();
  std::vector<Bucket> buckets_;
};

}  // namespace isochrone::dns
