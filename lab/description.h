// SPDX-License-Identifier: Apache-2.0
//
// Description: the lab as lab.json tells it to programs. docs/lab.md documents each member.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "lab/lab.h"
#include "lab/plan.h"
#include "lab/wan.h"

namespace isochrone::lab {

std::string describe_lab(const Options& options, const Plan& plan, const Wan& wan,
                         const std::vector<pid_t>& holders);

}  // namespace isochrone::lab
