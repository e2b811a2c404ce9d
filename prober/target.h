// SPDX-License-Identifier: Apache-2.0
//
// TargetSet: the client networks to probe, and by which method and address each last answered.
//
// Threads:   a value of the prober's loop.
// Cost:      add() O(log n); everything else O(1). About 250 bytes per target.
// Limits:    `max_demanded` targets from the collector; beyond that the least weight goes out.
//            Configured targets always stay.
// Invariant: a slot keeps its target while it lives; a TargetRef of a former life finds nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "prober/hop_search.h"
#include "prober/opt_out.h"
#include "prober/options.h"
#include "prober/probe.h"

namespace isochrone::prober {

constexpr std::size_t kMaxDemanded = 200'000;
// More representatives than this would take longer to try in turn than a demand lives.
constexpr std::size_t kMaxAddresses = 8;

// Turns of a search beside those of its rounds: four methods at an address each, and a whole search for
// the last hop.
constexpr std::uint8_t kEager = 16;

struct Target {
  Prefix prefix;
  std::vector<Address> addresses;  // none refused by the opt-out list
  bool is_configured = false;
  Monotonic expires{};  // when not configured
  std::uint32_t weight = 0;
  std::uint32_t life = 0;  // odd while the slot is in use

  // What has been learnt (prober/learning.h): indices into addresses and into Options::methods of the
  // pair that answered last, or that is tried first.
  std::uint32_t address = 0;
  std::uint32_t method = 0;
  std::uint32_t step = 0;       // of the search: pairs tried since it began
  std::uint32_t trials = 0;     // turns for a trial so far
  HopSearch hop;                // of the address that is probed by hop
  std::uint8_t streak = 0;      // losses in a row of the pair that answered
  std::uint8_t eager = kEager;  // turns left to a search beside those of its rounds
  bool is_settled = false;      // this address answered by this method

  // This round.
  std::uint16_t sent = 0;
  std::uint16_t owed = 0;  // turns that came while a probe was in flight
  bool is_in_flight = false;
  bool is_put_off = false;  // its turn waits until its network may have a probe again
};

class TargetSet {
 public:
  explicit TargetSet(std::size_t max_demanded = kMaxDemanded) : max_demanded_(max_demanded) {}

  enum class Added : std::uint8_t { added, renewed, refused };
  struct Addition {
    Added added = Added::refused;
    std::uint32_t slot = 0;
  };
  // A target from the collector. Refused when no address may be probed or it weighs least of all.
  Addition demand(const Prefix& prefix, std::span<const Address> addresses, std::uint32_t weight,
                  Monotonic expires, const OptOut& opt_out);
  // The configured targets, in place of the former ones; returns how many addresses were refused.
  std::size_t configure(std::span<const TargetSource> sources, const OptOut& opt_out);
  // Drops every address that may no longer be probed, and targets left without one.
  void apply(const OptOut& opt_out);
  // Drops demanded targets whose time is over.
  void expire(Monotonic now);

  // Turns come in an order that no cache foresees: says that `slot` will be asked for, and, once that
  // has come, its addresses.
  void prefetch(std::uint32_t slot) const noexcept {
    const auto* bytes = reinterpret_cast<const char*>(&slots_[slot]);
    for (std::size_t at = 0; at < sizeof(Target); at += 64) __builtin_prefetch(bytes + at);
  }
  void prefetch_addresses(std::uint32_t slot) const noexcept {
    __builtin_prefetch(slots_[slot].addresses.data());
  }

  Target& at(std::uint32_t slot) { return slots_[slot]; }
  TargetRef ref(std::uint32_t slot) const { return {slot, slots_[slot].life}; }
  Target* find(TargetRef ref);
  bool is_live(std::uint32_t slot) const { return (slots_[slot].life & 1) != 0; }
  std::vector<std::uint32_t> live() const;
  std::size_t configured() const { return by_prefix_.size() - by_weight_.size(); }
  std::size_t demanded() const { return by_weight_.size(); }

 private:
  std::uint32_t insert(const Prefix& prefix);
  void erase(std::uint32_t slot);
  void make_demanded(std::uint32_t slot, std::uint32_t weight);

  const std::size_t max_demanded_;
  std::vector<Target> slots_;
  std::vector<std::uint32_t> free_;
  std::unordered_map<Prefix, std::uint32_t> by_prefix_;
  std::set<std::pair<std::uint32_t, std::uint32_t>> by_weight_;  // (weight, slot) of the demanded
};

}  // namespace isochrone::prober
