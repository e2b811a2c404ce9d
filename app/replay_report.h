// SPDX-License-Identifier: Apache-2.0
//
// ReplayReport, as the commands print it: for people, and as the JSON of docs/formats.md.
#pragma once

#include <string>

#include "app/commands.h"
#include "app/config.h"
#include "base/result.h"
#include "base/time.h"
#include "collector/replay.h"

namespace isochrone::app {

// What the interval of the arguments would have been with another configuration, as text or JSON.
Result<std::string> replay_between(const Config& config, const Config& other,
                                   const ReplayArguments& arguments);

// `where`: what was read; the interval that was asked for.
std::string replay_as_json(const collector::ReplayReport& report, const std::string& where,
                           Instant since, Instant until);
std::string replay_as_text(const collector::ReplayReport& report, const std::string& where,
                           Instant since, Instant until);

}  // namespace isochrone::app
