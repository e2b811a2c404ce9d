// SPDX-License-Identifier: Apache-2.0
//
// BeaconQuota: how much one network, one client in it and everybody together may ask for.
//
// Client:   told apart by a keyed hash of its address (of its /64 in IPv6), whose key is new in every
//           window and never leaves this class: nothing that could be traced is kept.
// Threads:  any.
// Limits:   kMaxClients clients in a window; beyond it new ones are refused.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "base/guarded.h"
#include "base/ip.h"
#include "base/siphash.h"
#include "base/time.h"

namespace isochrone::collector {

struct QuotaLimits {
  Nanos window{Seconds(60)};
  unsigned per_prefix = 0;
  unsigned per_client = 0;
  unsigned per_second = 0;  // of all
};

class BeaconQuota {
 public:
  static constexpr std::size_t kMaxClients = 200'000;

  enum class Verdict : std::uint8_t { granted, client, prefix, rate };

  explicit BeaconQuota(const QuotaLimits& limits) : state_(State{limits}) {}
  void set_limits(const QuotaLimits& limits);

  Verdict take(const Address& client, Monotonic now);

 private:
  struct State {
    QuotaLimits limits{};
    Monotonic window_ends{};
    Monotonic second_ends{};
    unsigned in_second = 0;
    SipKey key{};
    std::unordered_map<Prefix, unsigned> prefixes{};
    std::unordered_map<std::uint64_t, unsigned> clients{};
  };
  static Verdict take(State& state, const Address& client, Monotonic now);

  Guarded<State> state_;
};

}  // namespace isochrone::collector
