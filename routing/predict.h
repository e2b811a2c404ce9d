// SPDX-License-Identifier: Apache-2.0
//
// Predictor: which path of a client network is worth measuring next. It never answers anybody.
//
// A client is taken to be like some of the Places: the more so the better they explain what is
// known of it. What it deviates from them is carried over to the sites it was not measured from, as
// far as sites go together. The path to measure is the one whose measurement promises the largest
// gain over the best path known: likely near, or unsure enough to be.
//
// Threads:  a value of one thread. Pure: no clock, no randomness.
// Cost:     next() looks at every place (some 1500 at 20 sites: about 0.1 ms), learn() likewise.
// Exact:    floating point: what is probed may differ between machines, what is answered does not.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/ip.h"
#include "base/time.h"
#include "routing/places.h"
#include "routing/topology.h"

namespace isochrone::routing {

// What is known of one path, and for how long.
struct Seen {
  SiteId site;
  Micros rtt{0};
  Nanos age{0};
};

struct ClientView {
  Prefix prefix;
  std::optional<Location> location;
  std::span<const Seen> seen;  // at most one per site
};

class Predictor {
 public:
  Predictor(const std::vector<std::optional<Location>>& sites, const Mesh& mesh)
      : places_(sites, mesh) {}

  // The site of `candidates` to measure the client from; none when there is no candidate.
  std::optional<SiteId> next(const ClientView& client, SiteMask candidates) const;

  // Lets what is known of this client speak for others.
  void learn(const ClientView& client);

 private:
  struct Belief;
  struct Like;
  struct Transfer;
  Belief believe(const ClientView& client, bool with_examples) const;
  std::vector<double> factor(const ClientView& client, std::span<const double> variances) const;
  Transfer transfer(const ClientView& client, std::span<const double> variances) const;
  std::span<const double> doubts(const ClientView& client, std::size_t place) const;
  void look(const ClientView& client, const double* residual, const Belief& belief,
            Like& like) const;
  void weigh(const ClientView& client, bool with_examples, Belief& belief) const;
  std::vector<double> gains(const ClientView& client, const Belief& belief) const;

  Places places_;
};

}  // namespace isochrone::routing
