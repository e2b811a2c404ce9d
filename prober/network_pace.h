// SPDX-License-Identifier: Apache-2.0
//
// NetworkPace: that no network gets more probes than it should, whichever targets they are for.
//
// A network is what a client address is truncated to (/24, /48): many targets may lie in one, and many
// prefixes may have the same resolver as their representative.
// Threads:   a value of the prober's loop. No clock.
// Invariant: no half-open second holds more than the rate of sends to one network.
// Size:      one entry of 48 bytes for each network that got a probe within the last gap or has turns
//            waiting; sweep() drops the others.
#pragma once

#include <algorithm>
#include <cstdint>
#include <unordered_map>

#include "base/ip.h"
#include "base/time.h"
#include "prober/pacer.h"

namespace isochrone::prober {

class NetworkPace {
 public:
  explicit NetworkPace(std::uint32_t rate_pps) { set_rate(rate_pps); }

  // As with the Pacer: who comes late may catch up kCatchUp, so gaps are that much longer.
  void set_rate(std::uint32_t rate_pps) {
    const std::int64_t rate = std::max<std::uint32_t>(rate_pps, 1);
    gap_ = Nanos((Nanos(Seconds(1)) + Pacer::kCatchUp).count() / rate + 1);
  }

  // Whether a probe to `to` may leave now; then it counts as sent.
  bool take(const Address& to, Monotonic now) {
    Entry& entry = entries_[client_network(to)];
    if (now < entry.next) return false;
    entry.next = std::max(entry.next, now - Pacer::kCatchUp) + gap_;
    return true;
  }

  // When to ask again after take() refused. Whoever asks later is told a later time, so that those who
  // wait for one network do not all come at once.
  Monotonic wait(const Address& to) {
    Entry& entry = entries_[client_network(to)];
    entry.queue = std::max(entry.queue, entry.next);
    const Monotonic turn = entry.queue;
    entry.queue += gap_;
    return turn;
  }

  // Forgets what no longer matters.
  void sweep(Monotonic now) {
    std::erase_if(entries_, [&](const auto& each) {
      return each.second.next <= now && each.second.queue <= now;
    });
  }

  std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    Monotonic next{};   // a probe may leave from then on
    Monotonic queue{};  // when the next one who waits is told to come
  };
  Nanos gap_{0};
  std::unordered_map<Prefix, Entry> entries_;
};

}  // namespace isochrone::prober
