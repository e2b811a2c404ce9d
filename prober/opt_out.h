// SPDX-License-Identifier: Apache-2.0
//
// OptOut: the addresses that are never probed, and why.
//
// Threads:   immutable once built.
// Cost:      check() is a binary search over disjoint prefixes; no allocation.
// Invariant: multicast, unspecified and broadcast addresses and what opted out are refused whatever
//            the configuration allows; special-use space only without `allow_private`.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/ip.h"

namespace isochrone::prober {

enum class Refusal : std::uint8_t { none, opted_out, special_use, no_host };

std::string_view to_string(Refusal refusal);

class OptOut {
 public:
  OptOut(std::vector<Prefix> opted_out, bool allow_private);

  Refusal check(const Address& address) const noexcept;

 private:
  std::vector<Prefix> opted_out_;  // sorted, none inside another
  bool allow_private_;
};

}  // namespace isochrone::prober
