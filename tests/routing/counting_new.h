// SPDX-License-Identifier: Apache-2.0
//
// How often this program has allocated: its operator new counts.
#pragma once

#include <cstddef>

namespace isochrone::routing::testing {

std::size_t allocations() noexcept;

}  // namespace isochrone::routing::testing
