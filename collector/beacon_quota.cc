// SPDX-License-Identifier: Apache-2.0
#include "collector/beacon_quota.h"

#include "base/bytes.h"

namespace isochrone::collector {
namespace {

// A host in IPv6 has a whole /64 of addresses to come from (RFC 4291 section 2.5.4).
constexpr int kHostLengthV6 = 64;

std::uint64_t pseudonym(const SipKey& key, const Address& client) {
  const auto bytes = client.masked(client.is_v4() ? client.width() : kHostLengthV6).bytes();
  return siphash(key, bytes) ^ (client.is_v4() ? 0 : 1);
}

}  // namespace

void BeaconQuota::set_limits(const QuotaLimits& limits) {
  state_.with([&](State& state) { state.limits = limits; });
}

BeaconQuota::Verdict BeaconQuota::take(const Address& client, Monotonic now) {
  return state_.with([&](State& state) { return take(state, client, now); });
}

BeaconQuota::Verdict BeaconQuota::take(State& state, const Address& client, Monotonic now) {
  if (now >= state.window_ends) {
    state.window_ends = now + state.limits.window;
    state.prefixes.clear();
    state.clients.clear();
    state.key = SipKey::random();
  }
  if (now >= state.second_ends) {
    state.second_ends = now + Seconds(1);
    state.in_second = 0;
  }
  if (state.in_second >= state.limits.per_second) return Verdict::rate;
  const std::uint64_t who = pseudonym(state.key, client);
  const auto known = state.clients.find(who);
  if (known == state.clients.end() && state.clients.size() >= kMaxClients) return Verdict::rate;
  if (known != state.clients.end() && known->second >= state.limits.per_client) {
    return Verdict::client;
  }
  unsigned& of_prefix = state.prefixes[client_network(client)];
  if (of_prefix >= state.limits.per_prefix) return Verdict::prefix;
  ++of_prefix;
  ++state.clients[who];
  ++state.in_second;
  return Verdict::granted;
}

}  // namespace isochrone::collector
