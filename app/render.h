// SPDX-License-Identifier: Apache-2.0
//
// render: the collector's JSON as people read it.
//
// Facts become lines, lists of objects become tables, in the order of the JSON; so what a part adds to
// its answer is shown without being repeated here. Microseconds are shown as milliseconds and per
// mille as per cent: the only units that differ from --json.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace isochrone::app {

Result<std::string> render(std::string_view json);

}  // namespace isochrone::app
