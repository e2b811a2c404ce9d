// SPDX-License-Identifier: Apache-2.0
#include "prober/learning.h"

#include <algorithm>
#include <optional>

namespace isochrone::prober {
namespace {

struct Pair {
  std::uint32_t address;
  std::uint32_t method;
};

// Where a probe's address and method stand now; a reload may have dropped either.
std::optional<Pair> pair_of(const Target& target, std::span<const Method> methods,
                            const Probe& probe) {
  const auto address =
      std::find(target.addresses.begin(), target.addresses.end(), probe.destination);
  const auto method = std::find(methods.begin(), methods.end(), probe.method);
  if (address == target.addresses.end() || method == methods.end()) return std::nullopt;
  return Pair{static_cast<std::uint32_t>(address - target.addresses.begin()),
              static_cast<std::uint32_t>(method - methods.begin())};
}

bool is_base(const Target& target, const Pair& pair) {
  return pair.address == target.address && pair.method == target.method;
}

void settle(Target& target, const Pair& pair) {
  target.address = pair.address;
  target.method = pair.method;
  target.is_settled = true;
  target.streak = 0;
  target.step = 0;
}

// What just failed so often is not the first to be tried again.
void unsettle(Target& target) {
  target.is_settled = false;
  target.step = 1;
  target.streak = 0;
  target.eager = kEager;
  target.hop = HopSearch();
}

// The base method when `turn` is 0, then the others in their order; the hop, which is not asked about
// here, does not count.
std::uint32_t method_of_turn(std::uint32_t turn, std::optional<std::uint32_t> base,
                             std::optional<std::uint32_t> hop) {
  if (base && turn == 0) return *base;
  std::uint32_t left = base ? turn - 1 : turn;
  for (std::uint32_t method = 0;; ++method) {
    if (method == base || method == hop) continue;
    if (left-- == 0) return method;
  }
}

// The pair of the search's `step`: each method once with an address of its own, then each once with
// the next one. A hop takes several probes to find, so it comes after two such passes, or first where
// it answered last; hops towards further addresses come at the end.
Pair pair_at(const Target& target, std::span<const Method> methods, std::uint32_t step) {
  const auto count = static_cast<std::uint32_t>(methods.size());
  const auto addresses = static_cast<std::uint32_t>(target.addresses.size());
  const auto found = std::find(methods.begin(), methods.end(), Method::hop);
  const auto hop = found == methods.end()
                       ? std::nullopt
                       : std::optional(static_cast<std::uint32_t>(found - methods.begin()));
  const std::uint32_t others = count - (hop ? 1 : 0);
  const bool is_hop_first = target.method == hop;
  const std::uint32_t hop_at = is_hop_first ? 0 : std::min(2U, addresses) * others;

  std::uint32_t at = step % (count * addresses);
  if (hop && at == hop_at) return {target.address, *hop};
  if (hop && at > hop_at) --at;
  if (at >= others * addresses) {
    return {(target.address + 1 + at - others * addresses) % addresses, hop.value_or(0)};
  }
  const std::uint32_t turn = at % others;
  const auto base = is_hop_first ? std::nullopt : std::optional(target.method);
  return {(target.address + at / others + turn) % addresses, method_of_turn(turn, base, hop)};
}

std::optional<Choice> trial_of(const Target& target, std::span<const Method> methods) {
  // A different preferred method each time; a hop is no better than what answered.
  const std::uint32_t better = target.trials % (target.method + 1);
  if (better < target.method && methods[better] != Method::hop) {
    return Choice{target.address, better, 0, true};
  }
  if (methods[target.method] != Method::hop || !target.hop.is_found()) return std::nullopt;
  const std::uint32_t beyond = 1 + target.trials / (target.method + 1) % HopSearch::kBeyond;
  const std::uint32_t ttl = target.hop.ttl() + beyond;
  if (ttl > HopSearch::kMaxHops) return std::nullopt;
  return Choice{target.address, target.method, static_cast<std::uint8_t>(ttl), true};
}

}  // namespace

Choice choose(const Target& target, std::span<const Method> methods, bool may_try) {
  if (may_try && target.is_settled) {
    if (const auto trial = trial_of(target, methods)) return *trial;
  }
  const Pair pair = target.is_settled ? Pair{target.address, target.method}
                                      : pair_at(target, methods, target.step);
  const std::uint8_t ttl = methods[pair.method] == Method::hop ? target.hop.ttl() : 0;
  return {pair.address, pair.method, ttl, false};
}

bool note_answer(Target& target, std::span<const Method> methods, const Probe& probe,
                 bool is_final) {
  const auto pair = pair_of(target, methods, probe);
  const bool is_hop = probe.method == Method::hop;
  if (!pair) return !is_hop;
  if (is_hop) {
    target.hop.answered(probe.ttl, is_final);
    if (!target.hop.is_found()) return false;
    settle(target, *pair);
    return probe.ttl == target.hop.ttl();
  }
  settle(target, *pair);
  target.hop = HopSearch();
  return true;
}

bool note_loss(Target& target, std::span<const Method> methods, const Probe& probe) {
  const auto pair = pair_of(target, methods, probe);
  if (!pair || probe.is_trial) return false;
  if (probe.method == Method::hop && !target.hop.is_found()) {
    target.hop.lost(probe.ttl);
    if (target.hop.is_found()) {
      settle(target, *pair);
      return false;
    }
    if (!target.hop.is_over()) return false;
    target.hop = HopSearch();
  } else if (target.is_settled) {
    if (!is_base(target, *pair)) return false;
    if (++target.streak >= kPatience) unsettle(target);
    return true;
  }
  ++target.step;
  return is_base(target, *pair);
}

bool takes_eager_turn(Target& target) noexcept {
  if (target.is_settled || target.eager == 0) return false;
  --target.eager;
  return true;
}

void follow_methods(Target& target, std::span<const Method> before, std::span<const Method> after) {
  const auto same = target.method < before.size()
                        ? std::find(after.begin(), after.end(), before[target.method])
                        : after.end();
  if (same != after.end()) {
    target.method = static_cast<std::uint32_t>(same - after.begin());
    return;
  }
  unsettle(target);
  target.method = 0;
  target.step = 0;
}

}  // namespace isochrone::prober
