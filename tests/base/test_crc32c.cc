// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "base/crc32c.h"

namespace isochrone {
namespace {

Bytes bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// RFC 3720 appendix B.4.
TEST(Crc32c, GivesThePublishedSums) {
  EXPECT_EQ(crc32c(std::vector<std::uint8_t>(32, 0x00)), 0x8a91'36aaU);
  EXPECT_EQ(crc32c(std::vector<std::uint8_t>(32, 0xff)), 0x62a8'ab43U);
  std::vector<std::uint8_t> rising(32);
  for (std::size_t i = 0; i < rising.size(); ++i) rising[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(crc32c(rising), 0x46dd'794eU);
  EXPECT_EQ(crc32c({}), 0U);
}

TEST(Crc32c, GoesOnWhereItWas) {
  const std::string_view text = "an odd number of bytes, in two pieces";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(crc32c(bytes(text.substr(cut)), crc32c(bytes(text.substr(0, cut)))),
              crc32c(bytes(text)))
        << cut;
  }
}

}  // namespace
}  // namespace isochrone
