// SPDX-License-Identifier: Apache-2.0
//
// BeaconToken: a task that only this deployment can have given out, for a while, to one network.
//
// Form:     base64url (RFC 4648 section 5, no padding) of: version 1 (1 octet), number (8), expiry in
//           seconds since 1970 (4), family 4 or 6 (1), the network's octets (3 or 6), count of sites (1),
//           each with its length (1) and name, then the first 16 octets of HMAC-SHA256 over all of it.
// Threads:  pure functions.
// Limits:   kMaxTokenSites names; kMaxTokenBytes of text. 16 octets of tag: 2^128 guesses.
// Errors:   TokenFault, in the order in which it is looked at; nothing of a forged one is used.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "base/ip.h"
#include "base/time.h"
#include "event/beacon_label.h"

namespace isochrone::collector {

constexpr std::size_t kMaxTokenSites = 8;
constexpr std::size_t kMaxTokenBytes = 1'024;

struct BeaconTask {
  event::BeaconNumber number = 0;
  Instant expires{};  // whole seconds
  Prefix client;      // a client network
  std::vector<std::string> sites;

  friend bool operator==(const BeaconTask&, const BeaconTask&) = default;
};

enum class TokenFault : std::uint8_t { malformed, forged, expired };

std::string seal(const BeaconTask& task, std::string_view secret);
// By any of the secrets.
tl::expected<BeaconTask, TokenFault> unseal(std::string_view token,
                                            const std::vector<std::string>& secrets, Instant now);

}  // namespace isochrone::collector
