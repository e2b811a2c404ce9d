// SPDX-License-Identifier: Apache-2.0
#include "dns/canonical.h"

#include "dns/wire.h"

namespace isochrone::dns {
namespace {

// Where names stand in a type's data: after so many octets, so many names.
struct NameLayout {
  std::uint16_t type;
  std::uint8_t before;
  std::uint8_t names;
};
constexpr NameLayout kLayouts[] = {
    {2, 0, 1},  {3, 0, 1},  {4, 0, 1},  {5, 0, 1},  {6, 0, 2},  {7, 0, 1},
    {8, 0, 1},  {9, 0, 1},  {12, 0, 1}, {14, 0, 2}, {15, 2, 1}, {17, 0, 2},
    {18, 2, 1}, {21, 2, 1}, {26, 2, 2}, {33, 6, 1}, {36, 2, 1}, {39, 0, 1},
};
constexpr std::uint16_t kNaptr = 35;

// The place behind order, preference and the three strings of NAPTR; past the end when cut short.
std::size_t naptr_name(std::span<const std::uint8_t> data) noexcept {
  std::size_t at = 4;
  for (int i = 0; i < 3 && at < data.size(); ++i) at += data[at] + std::size_t{1};
  return at;
}

void put16(std::vector<std::uint8_t>& out, std::size_t value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value));
}

}  // namespace

CanonicalKey::CanonicalKey(Bytes name) noexcept {
  std::array<std::uint8_t, kMaxLabels> starts;
  std::size_t labels = 0;
  for (std::size_t at = 0; name[at] != 0; at += name[at] + std::size_t{1}) {
    starts[labels++] = static_cast<std::uint8_t>(at);
  }
  while (labels-- > 0) {
    const std::size_t start = starts[labels];
    for (const std::uint8_t octet : name.subspan(start + 1, name[start])) {
      if (octet <= 1) octets_[size_++] = 1;
      octets_[size_++] = octet <= 1 ? static_cast<std::uint8_t>(octet + 1) : octet;
    }
    octets_[size_++] = 0;
  }
}

void fold_data(std::uint16_t type, std::span<std::uint8_t> data) noexcept {
  std::size_t at = 0;
  std::size_t names = 0;
  if (type == kNaptr) {
    at = naptr_name(data);
    names = 1;
  } else {
    const auto* layout = std::find_if(std::begin(kLayouts), std::end(kLayouts),
                                      [&](const NameLayout& one) { return one.type == type; });
    if (layout == std::end(kLayouts)) return;
    at = layout->before;
    names = layout->names;
  }
  for (; names > 0 && at < data.size(); --names) {
    const auto size = name_size(data.subspan(at));
    if (!size) return;
    // Length octets are at most 63 and lie below 'A'.
    std::transform(data.begin() + static_cast<std::ptrdiff_t>(at),
                   data.begin() + static_cast<std::ptrdiff_t>(at + *size),
                   data.begin() + static_cast<std::ptrdiff_t>(at), fold);
    at += *size;
  }
}

std::vector<std::uint8_t> canonical_set(Bytes owner, std::uint16_t type, std::uint32_t ttl,
                                        std::vector<RecordData> data) {
  for (RecordData& one : data) fold_data(type, one);
  std::sort(data.begin(), data.end());
  // Folding may have made two records one (RFC 4034 section 6.3).
  data.erase(std::unique(data.begin(), data.end()), data.end());
  std::vector<std::uint8_t> out;
  for (const RecordData& one : data) {
    out.insert(out.end(), owner.begin(), owner.end());
    put16(out, type);
    put16(out, kClassIn);
    put16(out, ttl >> 16);
    put16(out, ttl & 0xffff);
    put16(out, one.size());
    out.insert(out.end(), one.begin(), one.end());
  }
  return out;
}

std::vector<std::uint8_t> type_bitmap(std::vector<std::uint16_t> types) {
  std::sort(types.begin(), types.end());
  std::vector<std::uint8_t> out;
  for (std::size_t first = 0; first < types.size();) {
    const unsigned window = types[first] >> 8;
    std::size_t end = first;
    while (end < types.size() && types[end] >> 8 == window) ++end;
    std::vector<std::uint8_t> bits((types[end - 1] & 0xffU) / 8 + 1);
    for (std::size_t i = first; i < end; ++i) {
      bits[(types[i] & 0xffU) / 8] |= static_cast<std::uint8_t>(0x80U >> (types[i] & 7U));
    }
    out.push_back(static_cast<std::uint8_t>(window));
    out.push_back(static_cast<std::uint8_t>(bits.size()));
    out.insert(out.end(), bits.begin(), bits.end());
    first = end;
  }
  return out;
}

}  // namespace isochrone::dns
