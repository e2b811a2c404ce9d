// SPDX-License-Identifier: Apache-2.0
#include "event/beacon_label.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "base/endian.h"
#include "base/sha256.h"

namespace isochrone::event {
namespace {

constexpr std::string_view kAlphabet = "0123456789abcdefghijklmnopqrstuv";
constexpr std::string_view kTask = "beacon-";
constexpr std::size_t kHexDigits = 16;

std::uint64_t tag_of(const SipKey& key, BeaconNumber number) noexcept {
  std::array<std::uint8_t, 8> bytes{};
  store_be(bytes.data(), number);
  return siphash(key, bytes);
}

int digit_of(std::uint8_t c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'v') return c - 'a' + 10;
  return c >= 'A' && c <= 'V' ? c - 'A' + 10 : -1;
}

}  // namespace

SipKey beacon_label_key(std::string_view secret) {
  const Sha256 derived = hmac_sha256(secret, "isochrone beacon label 1");
  return {load_be<std::uint64_t>(derived.data()), load_be<std::uint64_t>(derived.data() + 8)};
}

std::string beacon_label(const SipKey& key, BeaconNumber number) {
  __extension__ using Wide = unsigned __int128;
  // 26 digits hold 130 bits: the last two are zero.
  const Wide bits = Wide{number} << 64 | tag_of(key, number);
  std::string label(kBeaconLabelOctets, '0');
  for (std::size_t i = 0; i < label.size(); ++i) {
    const int shift = 128 - 5 * static_cast<int>(i + 1);
    const Wide digit = shift >= 0 ? bits >> shift : bits << -shift;
    label[i] = kAlphabet[static_cast<std::size_t>(digit & 31)];
  }
  return label;
}

std::optional<BeaconNumber> parse_beacon_label(const SipKey& key, Bytes label) noexcept {
  if (label.size() != kBeaconLabelOctets) return std::nullopt;
  __extension__ using Wide = unsigned __int128;
  Wide bits = 0;
  for (std::size_t i = 0; i < label.size(); ++i) {
    const int digit = digit_of(label[i]);
    if (digit < 0) return std::nullopt;
    const bool is_last = i + 1 == label.size();
    if (is_last && (digit & 3) != 0) return std::nullopt;
    bits = is_last ? bits << 3 | static_cast<unsigned>(digit) >> 2
                   : bits << 5 | static_cast<unsigned>(digit);
  }
  const auto number = static_cast<BeaconNumber>(bits >> 64);
  if (tag_of(key, number) != static_cast<std::uint64_t>(bits)) return std::nullopt;
  return number;
}

std::string beacon_task(BeaconNumber number) { return fmt::format("{}{:016x}", kTask, number); }

std::optional<BeaconNumber> parse_beacon_task(std::string_view task) noexcept {
  if (!task.starts_with(kTask)) return std::nullopt;
  task.remove_prefix(kTask.size());
  if (task.size() != kHexDigits) return std::nullopt;
  BeaconNumber number = 0;
  const auto [at, error] = std::from_chars(task.data(), task.data() + task.size(), number, 16);
  if (error != std::errc() || at != task.data() + task.size()) return std::nullopt;
  return number;
}

}  // namespace isochrone::event
