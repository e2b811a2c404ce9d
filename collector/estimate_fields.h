// SPDX-License-Identifier: Apache-2.0
//
// EstimateFields: an estimate as the fields of a JSON object; docs/formats.md has them.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/time.h"
#include "event/names.h"
#include "routing/estimate.h"

namespace isochrone::collector {

// From the epoch, which stands for never, nothing has passed.
inline double seconds_between(Instant from, Instant to) {
  return from == Instant{} ? 0
                           : std::chrono::duration<double>(std::max(Nanos(0), to - from)).count();
}

// `Json` is an object of the JSON library, which stays in sources.
template <class Json>
void put_estimate(Json& to, const routing::Estimate& estimate, Instant now) {
  to["p50_us"] = estimate.p50.count();
  to["p90_us"] = estimate.p90.count();
  to["min_us"] = estimate.min.count();
  to["jitter_us"] = estimate.jitter.count();
  to["loss_permille"] = estimate.loss_permille;
  to["samples"] = estimate.samples;
  to["method"] = event::method_name(estimate.method);
  to["age_s"] = seconds_between(estimate.at, now);
}

}  // namespace isochrone::collector
