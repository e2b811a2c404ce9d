// SPDX-License-Identifier: Apache-2.0
#include "prober/target.h"

#include <algorithm>

namespace isochrone::prober {
namespace {

// Those that may be probed, each once, at most kMaxAddresses.
std::vector<Address> allowed(std::span<const Address> addresses, const OptOut& opt_out) {
  std::vector<Address> kept;
  for (const Address& address : addresses) {
    if (kept.size() == kMaxAddresses) break;
    const bool is_known = std::find(kept.begin(), kept.end(), address) != kept.end();
    if (!is_known && opt_out.check(address) == Refusal::none) kept.push_back(address);
  }
  return kept;
}

// Keeps what was learnt about an address that stays.
void replace_addresses(Target& target, std::vector<Address> addresses) {
  const Address* learnt =
      target.address < target.addresses.size() ? &target.addresses[target.address] : nullptr;
  const auto same =
      learnt == nullptr ? addresses.end() : std::find(addresses.begin(), addresses.end(), *learnt);
  if (same == addresses.end()) {
    target.address = 0;
    target.is_settled = false;
  } else {
    target.address = static_cast<std::uint32_t>(same - addresses.begin());
  }
  target.addresses = std::move(addresses);
}

// Whoever answered last stays a representative, also when others are named now.
void keep_who_answers(const Target& target, std::vector<Address>& addresses,
                      const OptOut& opt_out) {
  if (!target.is_settled || target.address >= target.addresses.size()) return;
  const Address& answers = target.addresses[target.address];
  const bool is_named = std::find(addresses.begin(), addresses.end(), answers) != addresses.end();
  if (is_named || opt_out.check(answers) != Refusal::none) return;
  if (addresses.size() == kMaxAddresses) addresses.pop_back();
  addresses.push_back(answers);
}

}  // namespace

TargetSet::Addition TargetSet::demand(const Prefix& prefix, std::span<const Address> addresses,
                                      std::uint32_t weight, Monotonic expires,
                                      const OptOut& opt_out) {
  std::vector<Address> kept = allowed(addresses, opt_out);
  if (kept.empty()) return {};
  if (const auto known = by_prefix_.find(prefix); known != by_prefix_.end()) {
    const std::uint32_t slot = known->second;
    Target& target = slots_[slot];
    if (target.is_configured) return {Added::renewed, slot};  // who answers there is configured too
    target.expires = std::max(target.expires, expires);
    keep_who_answers(target, kept, opt_out);
    replace_addresses(target, std::move(kept));
    by_weight_.erase({target.weight, slot});
    make_demanded(slot, weight);
    return {Added::renewed, slot};
  }
  if (by_weight_.size() >= max_demanded_) {
    if (by_weight_.empty() || by_weight_.begin()->first >= weight) return {};
    erase(by_weight_.begin()->second);
  }
  const std::uint32_t slot = insert(prefix);
  slots_[slot].addresses = std::move(kept);
  slots_[slot].expires = expires;
  make_demanded(slot, weight);
  return {Added::added, slot};
}

std::size_t TargetSet::configure(std::span<const TargetSource> sources, const OptOut& opt_out) {
  std::unordered_map<Prefix, std::vector<Address>> wanted;
  std::size_t refused = 0;
  for (const TargetSource& source : sources) {
    if (opt_out.check(source.address) == Refusal::none) {
      wanted[source.prefix].push_back(source.address);
    } else {
      ++refused;
    }
  }
  for (const std::uint32_t slot : live()) {
    if (slots_[slot].is_configured && !wanted.contains(slots_[slot].prefix)) erase(slot);
  }
  for (const TargetSource& source : sources) {  // in the order of the configuration
    auto addresses = wanted.extract(source.prefix);
    if (addresses.empty()) continue;
    const auto known = by_prefix_.find(source.prefix);
    const std::uint32_t slot = known == by_prefix_.end() ? insert(source.prefix) : known->second;
    Target& target = slots_[slot];
    by_weight_.erase({target.weight, slot});
    target.is_configured = true;
    replace_addresses(target, allowed(addresses.mapped(), opt_out));
  }
  return refused;
}

void TargetSet::apply(const OptOut& opt_out) {
  for (const std::uint32_t slot : live()) {
    std::vector<Address> kept = allowed(slots_[slot].addresses, opt_out);
    if (kept.empty()) {
      erase(slot);
    } else {
      replace_addresses(slots_[slot], std::move(kept));
    }
  }
}

void TargetSet::expire(Monotonic now) {
  for (const std::uint32_t slot : live()) {
    if (!slots_[slot].is_configured && slots_[slot].expires <= now) erase(slot);
  }
}

Target* TargetSet::find(TargetRef ref) {
  if (ref.slot >= slots_.size() || slots_[ref.slot].life != ref.life) return nullptr;
  return is_live(ref.slot) ? &slots_[ref.slot] : nullptr;
}

std::vector<std::uint32_t> TargetSet::live() const {
  std::vector<std::uint32_t> slots;
  slots.reserve(by_prefix_.size());
  for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
    if (is_live(slot)) slots.push_back(slot);
  }
  return slots;
}

std::uint32_t TargetSet::insert(const Prefix& prefix) {
  std::uint32_t slot = static_cast<std::uint32_t>(slots_.size());
  if (free_.empty()) {
    slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  slots_[slot].prefix = prefix;
  ++slots_[slot].life;
  by_prefix_.emplace(prefix, slot);
  return slot;
}

void TargetSet::erase(std::uint32_t slot) {
  Target& target = slots_[slot];
  by_weight_.erase({target.weight, slot});
  by_prefix_.erase(target.prefix);
  const std::uint32_t ended = target.life + 1;
  target = Target();
  target.life = ended;
  free_.push_back(slot);
}

void TargetSet::make_demanded(std::uint32_t slot, std::uint32_t weight) {
  slots_[slot].weight = weight;
  by_weight_.emplace(weight, slot);
}

}  // namespace isochrone::prober
