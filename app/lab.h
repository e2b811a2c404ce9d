// SPDX-License-Identifier: Apache-2.0
//
// The command `isochrone lab`: runs the Internet in a box, and talks to the one that runs.
//
// Needs:  no other thread yet: it makes and enters namespaces.
#pragma once

#include <string>
#include <vector>

namespace isochrone::app {

// `args` is everything after the word "lab". Returns the exit status: 0 done, 1 a clear error on
// stderr, 2 wrong usage.
int run_lab(const std::vector<std::string>& args);

}  // namespace isochrone::app
