// SPDX-License-Identifier: Apache-2.0
#include "dns/rate_limit.h"

#include <algorithm>

namespace isochrone::dns {
namespace {

constexpr std::uint32_t kToken = 1'000;  // thousandths: a rate of 1 gives one of them a millisecond

}  // namespace

void RateLimiter::configure(const RateLimitOptions& options, unsigned workers) {
  options_ = options;
  per_second_ = std::max(1U, options.replies_per_second / std::max(1U, workers));
  if (is_on() && buckets_.empty()) buckets_.resize(kBuckets);
  if (!is_on()) buckets_ = {};
}

RateLimiter::Bucket& RateLimiter::bucket_of(const Address& network, std::uint32_t now_ms) noexcept {
  const auto octets = network.bytes();
  const std::uint64_t hash = siphash(key_, octets);
  const std::uint32_t tag = static_cast<std::uint32_t>(hash >> 32) | 1U;  // 0 marks a free slot
  Bucket* first = &buckets_[hash % (kBuckets / kWays) * kWays];
  Bucket* oldest = first;
  for (Bucket* bucket = first; bucket != first + kWays; ++bucket) {
    if (bucket->tag == tag) return *bucket;
    if (oldest->tag == 0) continue;
    const bool is_older = now_ms - bucket->filled_at_ms > now_ms - oldest->filled_at_ms;
    if (bucket->tag == 0 || is_older) oldest = bucket;
  }
  *oldest = {tag, now_ms, per_second_ * kToken, 0};
  return *oldest;
}

RateLimiter::Verdict RateLimiter::count(const Address& receiver, Monotonic now) noexcept {
  const auto is_inside = [&](const Prefix& prefix) { return prefix.contains(receiver); };
  if (std::any_of(options_.exempt.begin(), options_.exempt.end(), is_inside)) return Verdict::send;
  const auto now_ms = static_cast<std::uint32_t>(
      std::chrono::duration_cast<Millis>(now.time_since_epoch()).count());
  const int length = receiver.is_v4() ? options_.ipv4_prefix : options_.ipv6_prefix;
  Bucket& bucket = bucket_of(receiver.masked(length), now_ms);
  const std::uint64_t gained = std::uint64_t{now_ms - bucket.filled_at_ms} * per_second_;
  bucket.tokens = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(bucket.tokens + gained, std::uint64_t{per_second_} * kToken));
  bucket.filled_at_ms = now_ms;
  if (bucket.tokens >= kToken) {
    bucket.tokens -= kToken;
    return Verdict::send;
  }
  if (options_.slip == 0 || ++bucket.limited % options_.slip != 0) return Verdict::drop;
  return Verdict::truncate;
}

}  // namespace isochrone::dns
