// SPDX-License-Identifier: Apache-2.0
//
// Answers that more than one part of the HTTP API gives.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/http_server.h"
#include "base/time.h"

namespace isochrone::collector {

// 429 with Retry-After in whole seconds (RFC 9110 section 10.2.3).
inline HttpResponse come_again(Nanos wait, std::string_view why) {
  auto refused =
      http_error(429, why, "post or ask the same again after the seconds of Retry-After");
  refused.headers["Retry-After"] = std::to_string(std::chrono::ceil<Seconds>(wait).count());
  return refused;
}

}  // namespace isochrone::collector
