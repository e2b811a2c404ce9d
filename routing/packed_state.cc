// SPDX-License-Identifier: Apache-2.0
//
// A record: length of the prefix (IPv6: 64 more), its octets, then numbers of seven bits an octet, the
// lowest first: version, paths, each path, preferences, each preference.
#include "routing/packed_state.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"

namespace isochrone::routing {
namespace {

// A look-up walks half a block: some 100 records of one path, about 2 us.
constexpr std::size_t kBlockOctets = 4'096;
constexpr std::uint8_t kV6 = 64;  // past any length of an IPv4 prefix
// Packing fewer changes than these by themselves is not worth a walk over all.
constexpr std::size_t kMinChanges = 4'096;
constexpr std::size_t kChangedShare = 16;
constexpr std::int64_t kSecond = 1'000'000'000;

using Octets = std::vector<std::uint8_t>;

void put_number(Octets& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::uint8_t>(value | 0x80));
  out.push_back(static_cast<std::uint8_t>(value));
}

std::uint64_t take_number(ByteReader& in) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint8_t octet = in.u8();
    value |= std::uint64_t{octet & 0x7fU} << shift;
    if ((octet & 0x80) == 0) break;
  }
  return value;
}

void put_micros(Octets& out, Micros value) {
  put_number(out, static_cast<std::uint64_t>(std::max<std::int64_t>(value.count(), 0)));
}

Micros take_micros(ByteReader& in) { return Micros(static_cast<std::int64_t>(take_number(in))); }

// Windows end at whole seconds, which take half the octets.
void put_instant(Octets& out, Instant value) {
  const std::int64_t nanos = unix_nanos(value);
  const bool is_whole = nanos >= 0 && nanos % kSecond == 0;
  out.push_back(is_whole ? 1 : 0);
  put_number(out, static_cast<std::uint64_t>(is_whole ? nanos / kSecond : nanos));
}

Instant take_instant(ByteReader& in) {
  const bool is_whole = in.u8() == 1;
  const auto number = static_cast<std::int64_t>(take_number(in));
  return from_unix_nanos(is_whole ? number * kSecond : number);
}

void put_prefix(Octets& out, const Prefix& prefix) {
  const bool is_v4 = prefix.family() == Family::v4;
  out.push_back(static_cast<std::uint8_t>(prefix.length() + (is_v4 ? 0 : kV6)));
  const auto octets = prefix.address().bytes();
  out.insert(out.end(), octets.begin(), octets.begin() + (prefix.length() + 7) / 8);
}

Prefix take_prefix(ByteReader& in) {
  const std::uint8_t head = in.u8();
  const Family family = head < kV6 ? Family::v4 : Family::v6;
  const int length = family == Family::v4 ? head : head - kV6;
  std::uint64_t half[2] = {0, 0};
  for (int at = 0; at < length; at += 8) {
    half[at / 64] |= std::uint64_t{in.u8()} << (56 - at % 64);
  }
  return {Address::from_bits(family, half[0], half[1]), length};
}

void put_record(Octets& out, const PrefixState& state) {
  put_prefix(out, state.prefix);
  put_number(out, state.version);
  put_number(out, state.paths.size());
  for (const auto& [site, usual, estimate] : state.paths) {
    put_number(out, site.value());
    put_micros(out, estimate.min);
    put_micros(out, estimate.p50);
    put_micros(out, estimate.p90);
    put_micros(out, estimate.jitter);
    put_instant(out, estimate.at);
    put_number(out, estimate.samples);
    put_number(out, estimate.loss_permille);
    out.push_back(static_cast<std::uint8_t>(estimate.method));
  }
  put_number(out, state.preferences.size());
  for (const Preference& preference : state.preferences) {
    put_number(out, preference.service.value());
    put_number(out, preference.site.value());
  }
}

// Into what `state` has room for already.
void take_record(ByteReader& in, PrefixState& state) {
  state.prefix = take_prefix(in);
  state.version = take_number(in);
  state.paths.resize(take_number(in));
  for (auto& [site, usual, estimate] : state.paths) {
    usual = {};
    site = SiteId(static_cast<std::uint16_t>(take_number(in)));
    estimate.min = take_micros(in);
    estimate.p50 = take_micros(in);
    estimate.p90 = take_micros(in);
    estimate.jitter = take_micros(in);
    estimate.at = take_instant(in);
    estimate.samples = static_cast<std::uint32_t>(take_number(in));
    estimate.loss_permille = static_cast<std::uint16_t>(take_number(in));
    estimate.method = static_cast<Method>(in.u8());
  }
  state.preferences.resize(take_number(in));
  for (Preference& preference : state.preferences) {
    preference = {};
    preference.service = ServiceId(static_cast<std::uint16_t>(take_number(in)));
    preference.site = SiteId(static_cast<std::uint16_t>(take_number(in)));
  }
}

}  // namespace

bool PackedState::apply(PrefixState next) {
  const auto known = find(next.prefix);
  if (known && next.version <= known->version) return false;
  if (!known) ++size_;
  change(std::move(next));
  return true;
}

void PackedState::put(const PrefixState& next) {
  if (changes_.empty() && append(next)) {
    ++size_;
    return;
  }
  if (!find(next.prefix)) ++size_;
  change(next);
}

// False when it would not be the last.
bool PackedState::append(const PrefixState& next) {
  if (!blocks_.empty() && next.prefix <= last_) return false;
  if (blocks_.empty() || blocks_.back().octets.size() >= kBlockOctets) {
    if (!blocks_.empty()) blocks_.back().octets.shrink_to_fit();
    blocks_.push_back({next.prefix, {}});
    blocks_.back().octets.reserve(kBlockOctets + kBlockOctets / 8);
  }
  put_record(blocks_.back().octets, next);
  last_ = next.prefix;
  return true;
}

bool PackedState::erase(const Prefix& prefix) {
  if (!find(prefix)) return false;
  --size_;
  changes_.insert_or_assign(prefix, std::nullopt);
  return true;
}

void PackedState::change(PrefixState next) {
  const Prefix prefix = next.prefix;
  changes_.insert_or_assign(prefix, std::move(next));
  if (changes_.size() > kMinChanges + size_ / kChangedShare) pack();
}

std::optional<PrefixState> PackedState::find(const Prefix& prefix) const {
  const auto changed = changes_.find(prefix);
  return changed != changes_.end() ? changed->second : find_packed(prefix);
}

// The one a prefix is in if it is packed; the end when all begin behind it.
std::vector<PackedState::Block>::const_iterator PackedState::block_of(const Prefix& prefix) const {
  const auto behind =
      std::upper_bound(blocks_.begin(), blocks_.end(), prefix,
                       [](const Prefix& wanted, const Block& one) { return wanted < one.first; });
  return behind == blocks_.begin() ? blocks_.end() : behind - 1;
}

std::optional<PrefixState> PackedState::find_packed(const Prefix& prefix) const {
  const auto block = block_of(prefix);
  if (block == blocks_.end()) return std::nullopt;
  PrefixState state;
  for (ByteReader in(block->octets); in.remaining() > 0;) {
    take_record(in, state);
    if (state.prefix == prefix) return state;
    if (prefix < state.prefix) break;
  }
  return std::nullopt;
}

void PackedState::for_each(const std::function<void(const PrefixState&)>& visit) const {
  auto changed = changes_.begin();
  const auto visit_changes_before = [&](const Prefix* end) {
    for (; changed != changes_.end() && (end == nullptr || changed->first < *end); ++changed) {
      if (changed->second) visit(*changed->second);
    }
  };
  PrefixState state;
  for (const Block& block : blocks_) {
    for (ByteReader in(block.octets); in.remaining() > 0;) {
      take_record(in, state);
      visit_changes_before(&state.prefix);
      const bool is_hidden = changed != changes_.end() && changed->first == state.prefix;
      if (!is_hidden) visit(state);
    }
  }
  visit_changes_before(nullptr);
}

void PackedState::for_each_inside(const Prefix& around,
                                  const std::function<void(const PrefixState&)>& visit) const {
  auto changed = changes_.lower_bound(around);
  const auto is_inside = [&] {
    return changed != changes_.end() && around.contains(changed->first);
  };
  const auto visit_change = [&] {
    if (changed->second) visit(*changed->second);
    ++changed;
  };
  PrefixState state;
  auto block = block_of(around);
  if (block == blocks_.end()) block = blocks_.begin();
  bool is_past = false;
  for (; block != blocks_.end() && !is_past; ++block) {
    for (ByteReader in(block->octets); in.remaining() > 0 && !is_past;) {
      take_record(in, state);
      if (state.prefix < around) continue;
      is_past = !around.contains(state.prefix);
      if (is_past) break;
      while (is_inside() && changed->first < state.prefix) visit_change();
      if (is_inside() && changed->first == state.prefix) {
        visit_change();
      } else {
        visit(state);
      }
    }
  }
  while (is_inside()) visit_change();
}

void PackedState::pack() {
  PackedState packed;
  for_each([&](const PrefixState& state) { packed.put(state); });
  *this = std::move(packed);
}

std::size_t PackedState::memory_bytes() const {
  std::size_t bytes = blocks_.capacity() * sizeof(Block);
  for (const Block& block : blocks_) bytes += block.octets.capacity();
  // A change is a node of the map, a path or two and a preference.
  return bytes + changes_.size() * 300;
}

}  // namespace isochrone::routing
