// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>

#include "base/huge_pages.h"

namespace isochrone {
namespace {

TEST(HugePages, KeepWhatIsThere) {
  for (const std::size_t count : {std::size_t{0}, std::size_t{1'000}, std::size_t{3'000'000}}) {
    std::vector<std::uint32_t> values(count);
    std::iota(values.begin(), values.end(), 1U);
    const std::vector<std::uint32_t> before = values;
    use_huge_pages(values);
    EXPECT_EQ(values, before);
    if (!values.empty()) values.back() = 0;  // still ours to write
  }
}

}  // namespace
}  // namespace isochrone
