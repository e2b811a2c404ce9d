// SPDX-License-Identifier: Apache-2.0
#include "event/subject.h"

namespace isochrone::event {
namespace {

struct Finder {
  Subject operator()(const Measurement& m) const { return {m.site, m.prefix}; }
  Subject operator()(const Demand& d) const { return {{}, d.prefix}; }
  Subject operator()(const Health& h) const { return {h.site, std::nullopt}; }
  Subject operator()(const Load& l) const { return {l.site, std::nullopt}; }
  Subject operator()(const State& s) const { return {{}, s.prefix}; }
  Subject operator()(const Target& t) const { return {{}, t.prefix}; }
  Subject operator()(const DecisionSample& d) const { return {d.site, d.prefix}; }
};

}  // namespace

Subject subject_of(const Event& event) { return std::visit(Finder{}, event.payload); }

}  // namespace isochrone::event
