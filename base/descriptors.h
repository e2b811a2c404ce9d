// SPDX-License-Identifier: Apache-2.0
//
// Descriptors: how many files and sockets the process may have open.
//
// Threads: any.
#pragma once

#include <cstddef>

namespace isochrone {

// As many as the process may open now.
std::size_t descriptor_limit();

// Raises the limit to what the process is allowed to raise it to.
void raise_descriptor_limit();

}  // namespace isochrone
