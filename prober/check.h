// SPDX-License-Identifier: Apache-2.0
//
// check_options: what a prober can run with, before anything is opened or changed.
#pragma once

#include "base/result.h"
#include "prober/options.h"

namespace isochrone::prober {

// The first thing that is wrong, with what to do about it.
Result<void> check_options(const Options& options);

// What of `next` needs a restart while a prober runs with `current`.
Result<void> check_reload(const Options& current, const Options& next);

}  // namespace isochrone::prober
