// SPDX-License-Identifier: Apache-2.0
//
// BeaconLabel: the host name label that one beacon task alone asks for, so that a DNS node sees by which
// resolver, and the collector for which network.
//
// Form:     16 octets in base32 with the extended hex alphabet (RFC 4648 section 7), no padding, so 26
//           characters in either case: the task's number, then SipHash-2-4 of it. Nobody without the
//           secret can make one, so nobody can fill a table with made-up ones.
// Threads:  pure functions.
// Cost:     parse_beacon_label() about 60 ns; it allocates nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/siphash.h"
#include "base/time.h"

namespace isochrone::event {

constexpr std::size_t kBeaconLabelOctets = 26;

// A task's number: seconds since 1970 when it was given out, then 32 random bits.
using BeaconNumber = std::uint64_t;
constexpr Instant given_out_at(BeaconNumber number) noexcept {
  return from_unix_nanos(static_cast<std::int64_t>(number >> 32) * 1'000'000'000);
}

// The key of labels that belongs to a beacon secret.
SipKey beacon_label_key(std::string_view secret);

std::string beacon_label(const SipKey& key, BeaconNumber number);
// Nothing when it is no label, or not one of this key.
std::optional<BeaconNumber> parse_beacon_label(const SipKey& key, Bytes label) noexcept;

// The task in events: "beacon-" and 16 hexadecimal digits.
std::string beacon_task(BeaconNumber number);
std::optional<BeaconNumber> parse_beacon_task(std::string_view task) noexcept;

}  // namespace isochrone::event
