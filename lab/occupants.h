// SPDX-License-Identifier: Apache-2.0
//
// Occupants: the processes that `lab exec` started inside the lab, ended together with it.
//
// They are found by the network namespace they are in, so that what they started is found too.
#pragma once

#include <sys/types.h>

#include <vector>

#include "base/time.h"

namespace isochrone::lab {

// How long they have between SIGTERM and SIGKILL.
constexpr Millis kOccupantPatience{3'000};

// Ends every process in the network namespaces of `holders` except the holders themselves.
void end_occupants(const std::vector<pid_t>& holders);

}  // namespace isochrone::lab
