// SPDX-License-Identifier: Apache-2.0
//
// Vocabulary: short words for the prober's tests.
#pragma once

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/time.h"

namespace isochrone::prober {

inline Address address(std::string_view text) {
  const auto parsed = Address::parse(text);
  EXPECT_TRUE(parsed.has_value()) << text;
  return parsed.value_or(Address());
}
inline Prefix prefix(std::string_view text) {
  const auto parsed = Prefix::parse(text);
  EXPECT_TRUE(parsed.has_value()) << text;
  return parsed.value_or(Prefix());
}
// A moment of manual time; far from zero, as real clocks are.
inline Monotonic at(Nanos since_start) { return Monotonic(Seconds(1'000'000) + since_start); }

}  // namespace isochrone::prober
