// SPDX-License-Identifier: Apache-2.0
#include "dns/name.h"

#include <fmt/format.h>

#include <algorithm>

namespace isochrone::dns {
namespace {

// The finalizer of MurmurHash3 (32 bits): every input bit reaches every output bit.
std::uint32_t mix(std::uint32_t h) noexcept {
  h ^= h >> 16;
  h *= 0x85eb'ca6b;
  h ^= h >> 13;
  h *= 0xc2b2'ae35;
  return h ^ (h >> 16);
}

// Up to seven octets as one number, each in the same place for the same count: two loads that overlap
// in place of a loop.
std::uint64_t short_word(const std::uint8_t* octets, std::size_t count) noexcept {
  if (count >= 4) {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    std::memcpy(&first, octets, 4);
    std::memcpy(&last, octets + count - 4, 4);
    return std::uint64_t{first} << 32 | last;
  }
  if (count == 0) return 0;
  return std::uint64_t{octets[0]} << 16 | std::uint64_t{octets[count / 2]} << 8 | octets[count - 1];
}

// fold() on eight octets at once: an octet is a capital when it is ASCII, at least 'A', and not past
// 'Z'; each of these shows in the top bit of its octet.
std::uint64_t fold_eight(std::uint64_t octets) noexcept {
  constexpr std::uint64_t kEach = 0x0101'0101'0101'0101;
  const std::uint64_t low = octets & (0x7f * kEach);
  const std::uint64_t from_a = low + (0x80 - 'A') * kEach;
  const std::uint64_t past_z = low + (0x7f - 'Z') * kEach;
  const std::uint64_t capitals = (from_a ^ past_z) & ~octets & (0x80 * kEach);
  return octets | (capitals >> 2);
}

// Length octets are at most 63 and lie below 'A', so folding whole names leaves them alone.
void copy_folded(Bytes from, std::uint8_t* to) noexcept {
  std::size_t at = 0;
  for (; at + 8 <= from.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, from.data() + at, 8);
    word = fold_eight(word);
    std::memcpy(to + at, &word, 8);
  }
  for (; at < from.size(); ++at) to[at] = fold(from[at]);
}

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// One octet of master file text at `at`, which moves past it; nothing when an escape is broken.
std::optional<std::uint8_t> read_octet(std::string_view text, std::size_t& at) {
  const char c = text[at++];
  if (c != '\\') return static_cast<std::uint8_t>(c);
  if (at >= text.size()) return std::nullopt;
  if (!is_digit(text[at])) return static_cast<std::uint8_t>(text[at++]);
  if (at + 3 > text.size() || !is_digit(text[at + 1]) || !is_digit(text[at + 2])) {
    return std::nullopt;
  }
  const int value = (text[at] - '0') * 100 + (text[at + 1] - '0') * 10 + (text[at + 2] - '0');
  at += 3;
  if (value > 255) return std::nullopt;
  return static_cast<std::uint8_t>(value);
}

}  // namespace

std::uint32_t extend_hash(std::uint32_t parent, Bytes label) noexcept {
  std::uint64_t h = parent ^ (std::uint64_t{label.size()} << 32);
  std::size_t at = 0;
  for (; at + 8 <= label.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, label.data() + at, 8);
    h = (h ^ word) * 0x9fb2'1c65'1e98'df25;
    h ^= h >> 32;
  }
  h = (h ^ short_word(label.data() + at, label.size() - at)) * 0x9fb2'1c65'1e98'df25;
  return mix(static_cast<std::uint32_t>(h ^ (h >> 32)));
}

std::optional<std::size_t> name_size(Bytes bytes) noexcept {
  std::size_t at = 0;
  while (at < bytes.size() && at < kMaxNameOctets) {
    const std::size_t length = bytes[at];
    if (length == 0) return at + 1;
    if (length > kMaxLabelOctets) return std::nullopt;
    at += length + 1;
  }
  return std::nullopt;
}

bool Name::assign(Bytes bytes) noexcept {
  const auto size = name_size(bytes);
  if (!size) return false;
  copy_folded(bytes.first(*size), octets_.data());
  index();
  return true;
}

bool Name::assign(Bytes labels, Bytes suffix) noexcept {
  if (labels.size() + suffix.size() > kMaxNameOctets) return false;
  copy_folded(labels, octets_.data());
  copy_folded(suffix, octets_.data() + labels.size());
  index();
  return true;
}

void Name::index() noexcept {
  std::size_t labels = 0;
  std::size_t at = 0;
  for (; octets_[at] != 0; at += octets_[at] + std::size_t{1}) {
    starts_[labels++] = static_cast<std::uint8_t>(at);
  }
  starts_[labels] = static_cast<std::uint8_t>(at);
  hashes_[labels] = kRootHash;
  labels_ = static_cast<std::uint8_t>(labels);
  size_ = static_cast<std::uint8_t>(at + 1);
  for (std::size_t i = labels_; i-- > 0;) {
    hashes_[i] = extend_hash(
        hashes_[i + 1], Bytes(octets_).subspan(starts_[i] + std::size_t{1}, octets_[starts_[i]]));
  }
}

bool Name::is_within(Bytes other) const noexcept {
  if (other.size() > size_) return false;
  const auto tail = wire().last(other.size());
  if (!std::equal(tail.begin(), tail.end(), other.begin())) return false;
  // The tail must start where a label starts: "notexample.com" is not within "example.com".
  const auto start = size_ - other.size();
  return std::find(starts_.begin(), starts_.begin() + labels_ + 1, start) !=
         starts_.begin() + labels_ + 1;
}

std::optional<std::vector<std::uint8_t>> name_from_text(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::vector<std::uint8_t> wire;
  if (text == ".") return std::vector<std::uint8_t>{0};
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length_at = wire.size();
    wire.push_back(0);
    while (at < text.size() && text[at] != '.') {
      const auto octet = read_octet(text, at);
      if (!octet) return std::nullopt;
      wire.push_back(fold(*octet));
    }
    ++at;  // the dot
    const std::size_t length = wire.size() - length_at - 1;
    if (length == 0 || length > kMaxLabelOctets) return std::nullopt;
    wire[length_at] = static_cast<std::uint8_t>(length);
  }
  wire.push_back(0);
  if (wire.size() > kMaxNameOctets) return std::nullopt;
  return wire;
}

std::string name_to_text(Bytes wire) {
  std::string text;
  for (std::size_t at = 0; at < wire.size() && wire[at] != 0;) {
    if (!text.empty()) text += '.';
    const std::size_t end = std::min(wire.size(), at + 1 + wire[at]);
    for (++at; at < end; ++at) {
      const auto c = static_cast<char>(wire[at]);
      if (c == '.' || c == '\\') text += '\\';
      if (wire[at] > 0x20 && wire[at] < 0x7f) {
        text += c;
      } else {
        text += fmt::format("\\{:03}", wire[at]);
      }
    }
  }
  return text.empty() ? "." : text;
}

}  // namespace isochrone::dns
