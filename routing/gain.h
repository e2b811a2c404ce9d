// SPDX-License-Identifier: Apache-2.0
//
// Gain: what answers by measurement are worth, from networks that are held out, with its uncertainty.
//
// Both arms are networks that were measured. Of each counts what its clients were sent to, by demand. How
// far networks are from all sites differs far more than what answers make of it, so each is adjusted by
// what it sees of the sites in the mean, which no answer changes (a regression on a covariate that was
// there before: Deng et al., "Improving the sensitivity of online controlled experiments", WSDM 2013).
//
// Units:   milliseconds. The interval holds the true gain 95 times of 100, by Welch's t.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace isochrone::routing {

struct Observed {
  double answered_ms = 0;  // to the site that was answered
  double mean_ms = 0;      // to all sites that were measured
  double demand = 1;       // what it asks for, in whatever unit
};

struct Arm {
  std::size_t networks = 0;
  double mean_ms = 0;  // adjusted
};

struct Gain {
  Arm routed;
  Arm held_out;
  double gain_ms = 0;  // held out less routed: positive is good
  double low_ms = 0;
  double high_ms = 0;
};

// None while either arm has fewer than two networks.
std::optional<Gain> gain_of(const std::vector<Observed>& routed,
                            const std::vector<Observed>& held_out);

}  // namespace isochrone::routing
