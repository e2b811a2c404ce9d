// SPDX-License-Identifier: Apache-2.0
#include "collector/beacon_token.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/bytes.h"
#include "base/sha256.h"

namespace isochrone::collector {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kV4Bytes = kClientPrefixLengthV4 / 8;
constexpr std::size_t kV6Bytes = kClientPrefixLengthV6 / 8;

std::string to_base64url(std::string_view bytes) {
  std::string text;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char byte : bytes) {
    bits = bits << 8 | static_cast<std::uint8_t>(byte);
    for (held += 8; held >= 6; held -= 6) text += kDigits[bits >> (held - 6) & 63];
  }
  if (held > 0) text += kDigits[bits << (6 - held) & 63];
  return text;
}

// Strict: one text for one value, so that a token cannot be written in two ways.
std::optional<std::string> from_base64url(std::string_view text) {
  std::string bytes;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const auto digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes += static_cast<char>(bits >> held & 0xff);
  }
  if (held >= 6 || (bits & ((1U << held) - 1)) != 0) return std::nullopt;
  return bytes;
}

std::string_view tag_of(const Sha256& mac) {
  return {reinterpret_cast<const char*>(mac.data()), kTagBytes};
}

// In a time that says nothing of where they differ.
bool is_tag_of(std::string_view tag, const Sha256& mac) {
  Sha256 given{};
  Sha256 expected{};
  std::copy(tag.begin(), tag.end(), given.begin());
  std::copy_n(mac.begin(), kTagBytes, expected.begin());
  return is_same_digest(given, expected);
}

std::string key_of(std::string_view secret) {
  const Sha256 key = hmac_sha256(secret, "isochrone beacon token 1");
  return {key.begin(), key.end()};
}

std::optional<BeaconTask> parse(std::string_view body) {
  ByteReader in({reinterpret_cast<const std::uint8_t*>(body.data()), body.size()});
  BeaconTask task;
  if (in.u8() != kVersion) return std::nullopt;
  task.number = in.u64();
  task.expires = from_unix_nanos(std::int64_t{in.u32()} * 1'000'000'000);
  const bool is_v4 = in.u8() == 4;
  const auto address =
      Address::from_bytes(is_v4 ? Family::v4 : Family::v6, in.take(is_v4 ? kV4Bytes : kV6Bytes));
  const std::size_t sites = in.u8();
  if (!in.ok() || !address || sites == 0 || sites > kMaxTokenSites) return std::nullopt;
  task.client = client_network(*address);
  for (std::size_t i = 0; i < sites; ++i) {
    const Bytes name = in.take(in.u8());
    task.sites.emplace_back(name.begin(), name.end());
  }
  if (!in.ok() || in.remaining() != 0) return std::nullopt;
  return task;
}

}  // namespace

std::string seal(const BeaconTask& task, std::string_view secret) {
  std::array<std::uint8_t, kMaxTokenBytes> buffer;
  ByteWriter out(buffer);
  out.u8(kVersion);
  out.u64(task.number);
  out.u32(static_cast<std::uint32_t>(unix_nanos(task.expires) / 1'000'000'000));
  const Address& address = task.client.address();
  out.u8(address.is_v4() ? 4 : 6);
  out.put(Bytes(address.bytes()).first(address.is_v4() ? kV4Bytes : kV6Bytes));
  const std::size_t sites = std::min(task.sites.size(), kMaxTokenSites);
  out.u8(static_cast<std::uint8_t>(sites));
  for (std::size_t i = 0; i < sites; ++i) {
    // Names of sites have at most 63 characters (app/config_value).
    const std::string& name = task.sites[i];
    out.u8(static_cast<std::uint8_t>(name.size()));
    out.put({reinterpret_cast<const std::uint8_t*>(name.data()), name.size()});
  }
  std::string body(reinterpret_cast<const char*>(out.written().data()), out.position());
  body += tag_of(hmac_sha256(key_of(secret), body));
  return to_base64url(body);
}

tl::expected<BeaconTask, TokenFault> unseal(std::string_view token,
                                            const std::vector<std::string>& secrets, Instant now) {
  if (token.size() > kMaxTokenBytes) return tl::unexpected(TokenFault::malformed);
  const auto bytes = from_base64url(token);
  if (!bytes || bytes->size() <= kTagBytes) return tl::unexpected(TokenFault::malformed);
  const auto body = std::string_view(*bytes).substr(0, bytes->size() - kTagBytes);
  const auto tag = std::string_view(*bytes).substr(body.size());
  const bool is_ours = std::any_of(secrets.begin(), secrets.end(), [&](const auto& secret) {
    return is_tag_of(tag, hmac_sha256(key_of(secret), body));
  });
  if (!is_ours) return tl::unexpected(TokenFault::forged);
  auto task = parse(body);
  if (!task) return tl::unexpected(TokenFault::malformed);
  if (task->expires <= now) return tl::unexpected(TokenFault::expired);
  return std::move(*task);
}

}  // namespace isochrone::collector
