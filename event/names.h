// SPDX-License-Identifier: Apache-2.0
//
// Names: the words for methods and health, as NDJSON, the HTTP API and the configuration write them.
//
// Channels have theirs in event/event.h. What has no name parses to nothing.
#pragma once

#include <optional>
#include <string_view>

#include "event/event.h"

namespace isochrone::event {

std::string_view method_name(routing::Method method);
std::optional<routing::Method> parse_method(std::string_view name);
std::string_view to_string(HealthStatus status);
std::optional<HealthStatus> parse_health_status(std::string_view name);
std::string_view to_string(HealthOrigin origin);
std::optional<HealthOrigin> parse_health_origin(std::string_view name);

}  // namespace isochrone::event
