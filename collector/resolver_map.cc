// SPDX-License-Identifier: Apache-2.0
#include "collector/resolver_map.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/bytes.h"

namespace isochrone::collector {
namespace {

// Tokens of the last second of a slot, reported in their last second, are still on their way.
constexpr Seconds kOnTheWay{30};
// A clock that is ahead of ours by more is wrong.
constexpr std::int64_t kMostAhead = 1;
// 2^-(1 / kHalfLife) in 32 bits of fraction: whole numbers, so that every machine decays the same.
constexpr std::uint64_t kDecay = 4'294'622'744;
// What is left of a task after six half-lives says nothing of today.
constexpr std::uint32_t kForgotten = ResolverMap::kTask / 64;
// Family, length and octets of a network, then its weight.
constexpr std::size_t kShareBytes = 1 + 1 + 16 + 4;

std::int64_t slot_of(Instant instant) {
  return std::chrono::floor<Seconds>(instant.time_since_epoch()) / ResolverMap::kSlot;
}

std::uint32_t decayed(std::uint32_t weight, std::int64_t slots) {
  std::uint64_t factor = std::uint64_t{1} << 32;
  std::uint64_t power = kDecay;
  if (slots > 32 * ResolverMap::kHalfLife) return 0;
  for (std::int64_t left = slots; left > 0; left >>= 1) {
    if ((left & 1) != 0) factor = (factor * power) >> 32;
    power = (power * power) >> 32;
  }
  return static_cast<std::uint32_t>((weight * factor) >> 32);
}

void decay(ResolverMap::Mix& mix, std::int64_t slot) {
  if (slot <= mix.slot) return;
  for (auto& share : mix.shares) share.weight = decayed(share.weight, slot - mix.slot);
  std::erase_if(mix.shares, [](const auto& share) { return share.weight < kForgotten; });
  mix.slot = slot;
}

// Of equal weights the first network stays.
void keep_the_heaviest(std::vector<ResolverMap::Share>& shares) {
  if (shares.size() <= ResolverMap::kMaxNetworks) return;
  std::stable_sort(shares.begin(), shares.end(),
                   [](const auto& a, const auto& b) { return a.weight > b.weight; });
  shares.resize(ResolverMap::kMaxNetworks);
  std::sort(shares.begin(), shares.end(),
            [](const auto& a, const auto& b) { return a.network < b.network; });
}

}  // namespace

std::uint64_t ResolverMap::Mix::weight() const noexcept {
  std::uint64_t sum = 0;
  for (const Share& share : shares) sum += share.weight;
  return sum;
}

ResolverMap::Halves* ResolverMap::halves_of(event::BeaconNumber task, Instant now) {
  const std::int64_t slot = slot_of(event::given_out_at(task));
  if (slot < closed_ || slot > slot_of(now) + kMostAhead) return nullptr;
  Slot& tasks = open_[slot];
  const auto found = tasks.find(task);
  if (found != tasks.end()) return &found->second;
  if (open_tasks_ >= kMaxOpenTasks) return nullptr;
  ++open_tasks_;
  return &tasks[task];
}

bool ResolverMap::saw_client(event::BeaconNumber task, const Prefix& network, Instant now) {
  Halves* halves = halves_of(task, now);
  if (halves == nullptr) return false;
  // A token is reported by one network; were there two, the lesser in any order.
  if (!halves->network || network < *halves->network) halves->network = network;
  return true;
}

bool ResolverMap::saw_resolver(event::BeaconNumber task, const Address& resolver, Instant now) {
  Halves* halves = halves_of(task, now);
  if (halves == nullptr) return false;
  auto& known = halves->resolvers;
  const auto at = std::lower_bound(known.begin(), known.end(), resolver);
  if (at != known.end() && *at == resolver) return true;
  known.insert(at, resolver);
  if (known.size() > kMaxOfResolvers) known.pop_back();
  return true;
}

std::vector<Address> ResolverMap::close(Instant now) {
  std::map<Address, bool> changed;
  const std::int64_t first_open = slot_of(now - lifetime_ - kOnTheWay);
  while (!open_.empty() && open_.begin()->first < first_open) close_first(changed);
  closed_ = std::max(closed_, first_open);
  std::vector<Address> resolvers;
  for (const auto& [resolver, yes] : changed) resolvers.push_back(resolver);
  return resolvers;
}

void ResolverMap::close_first(std::map<Address, bool>& changed) {
  const std::int64_t slot = open_.begin()->first;
  std::map<std::pair<Address, Prefix>, std::uint32_t> pairs;
  for (const auto& [task, halves] : open_.begin()->second) {
    if (!halves.network) continue;
    for (const Address& resolver : halves.resolvers) ++pairs[{resolver, *halves.network}];
  }
  open_tasks_ -= open_.begin()->second.size();
  open_.erase(open_.begin());
  for (const auto& [pair, count] : pairs) {
    const auto& [resolver, network] = pair;
    if (mixes_.size() >= kMaxResolvers && !mixes_.contains(resolver)) continue;
    Mix& mix = mixes_[resolver];
    decay(mix, slot);
    const auto at =
        std::lower_bound(mix.shares.begin(), mix.shares.end(), network,
                         [](const Share& share, const Prefix& to) { return share.network < to; });
    const std::uint32_t weight = std::min(count, kMaxPerSlot) * kTask;
    if (at != mix.shares.end() && at->network == network) {
      at->weight += weight;
    } else {
      mix.shares.insert(at, {network, weight});
    }
    changed[resolver] = true;
  }
  for (const auto& [resolver, yes] : changed) keep_the_heaviest(mixes_[resolver].shares);
  // Who was not heard of for days makes room.
  if (mixes_.size() < kMaxResolvers) return;
  for (auto it = mixes_.begin(); it != mixes_.end();) {
    decay(it->second, slot);
    const bool is_gone = it->second.shares.empty();
    if (is_gone) changed[it->first] = true;
    it = is_gone ? mixes_.erase(it) : std::next(it);
  }
}

std::vector<Address> ResolverMap::due(Instant now, Nanos round) {
  const Nanos passed = std::min(now - std::exchange(asked_, now), round);
  if (mixes_.empty() || passed.count() <= 0) return {};
  const auto all = static_cast<std::int64_t>(mixes_.size());
  std::vector<Address> due;
  for (auto left = (all * passed.count() + round.count() - 1) / round.count(); left > 0; --left) {
    auto next = mixes_.upper_bound(last_due_);
    if (next == mixes_.end()) next = mixes_.begin();
    last_due_ = next->first;
    due.push_back(last_due_);
  }
  return due;
}

void ResolverMap::forget_the_future(Instant now) {
  closed_ = std::min(closed_, slot_of(now - lifetime_ - kOnTheWay));
  for (auto& [resolver, mix] : mixes_) mix.slot = std::min(mix.slot, slot_of(now));
}

const ResolverMap::Mix* ResolverMap::find(const Address& resolver) const {
  const auto found = mixes_.find(resolver);
  return found == mixes_.end() ? nullptr : &found->second;
}

std::string ResolverMap::record(const Address& resolver) const {
  const Mix* mix = find(resolver);
  if (mix == nullptr || mix->shares.empty()) return {};
  std::string bytes(8 + kShareBytes * mix->shares.size(), '\0');
  ByteWriter out({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  out.u64(static_cast<std::uint64_t>(mix->slot));
  for (const Share& share : mix->shares) {
    out.u8(share.network.address().is_v4() ? 4 : 6);
    out.u8(static_cast<std::uint8_t>(share.network.length()));
    out.u64(share.network.address().high());
    out.u64(share.network.address().low());
    out.u32(share.weight);
  }
  return bytes;
}

bool ResolverMap::restore(const Address& resolver, std::string_view record) {
  if (record.size() < 8 || (record.size() - 8) % kShareBytes != 0) return false;
  const std::size_t count = (record.size() - 8) / kShareBytes;
  if (count == 0 || count > kMaxNetworks || mixes_.size() >= kMaxResolvers) return false;
  ByteReader in({reinterpret_cast<const std::uint8_t*>(record.data()), record.size()});
  Mix mix;
  mix.slot = static_cast<std::int64_t>(in.u64());
  for (std::size_t i = 0; i < count; ++i) {
    const Family family = in.u8() == 4 ? Family::v4 : Family::v6;
    const int length = in.u8();
    const std::uint64_t high = in.u64();
    const Address address = Address::from_bits(family, high, in.u64());
    if (length > address.width()) return false;
    mix.shares.push_back({Prefix(address, length), in.u32()});
    const auto& last = mix.shares.back();
    if (i > 0 && !(mix.shares[i - 1].network < last.network)) return false;
  }
  if (!in.ok()) return false;
  mixes_[resolver] = std::move(mix);
  return true;
}

void ResolverMap::restore_closed_until(Instant until) noexcept { closed_ = slot_of(until); }

}  // namespace isochrone::collector
