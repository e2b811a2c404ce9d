// SPDX-License-Identifier: Apache-2.0
//
// How often this thread has allocated: the proof that a hot function does not.
#pragma once

#include <cstddef>

namespace isochrone::dns::testing {

std::size_t allocations() noexcept;

}  // namespace isochrone::dns::testing
