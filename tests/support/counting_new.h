// SPDX-License-Identifier: Apache-2.0
//
// How often this thread has allocated: the operator new of its program counts.
#pragma once

#include <cstddef>

namespace isochrone::testing {

std::size_t allocations() noexcept;

}  // namespace isochrone::testing
