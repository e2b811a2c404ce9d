// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/integration/mutated.h"

namespace isochrone::test {
namespace {

TEST(MutatedPackets, FiftyThousandHarmNobody) { survive(50'000); }

}  // namespace
}  // namespace isochrone::test
