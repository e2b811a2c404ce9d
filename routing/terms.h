// SPDX-License-Identifier: Apache-2.0
//
// Terms: from which sites a service may serve which client networks, and from which it has to.
//
// A fence keeps a site to a region (only in) or out of one (never in); a pin gives a block one site. A
// region is what an operator names: prefixes, a country, an AS. All are reduced to one sorted list of
// blocks with the sites that are left in each, the longest of which speaks for an address.
//
// Threads:    immutable once built.
// Cost:       of(): sorting the regions' blocks. around(): a binary search.
// Invariant:  never no site: where fences leave none, all of the service are allowed, and where they shut
//             out the site of a pin there is no pin.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/ip.h"
#include "routing/site_mask.h"

namespace isochrone::routing {

// A part of a region, or a hole in it: the longest block around an address says.
struct RegionBlock {
  Prefix prefix;
  bool is_inside = true;

  friend bool operator==(const RegionBlock&, const RegionBlock&) = default;
};
using Region = std::vector<RegionBlock>;

struct Fence {
  enum class Kind : std::uint8_t { only_in, never_in };
  SiteMask sites = 0;  // which it holds for
  Kind kind = Kind::only_in;
  std::vector<Region> regions;  // any of them
};

struct Pin {
  Prefix prefix;
  SiteId site;
};

// What holds in a block but for the longer ones inside it.
struct Term {
  Prefix prefix;
  SiteMask allowed = kAllSites;
  std::optional<SiteId> pin;
  std::uint32_t around = ~std::uint32_t{0};  // index of the term this one lies in
};

class Terms {
 public:
  // `sites` are those of the service. Null when nothing is restricted anywhere.
  static std::shared_ptr<const Terms> of(SiteMask sites, const std::vector<Fence>& fences,
                                         const std::vector<Pin>& pins);

  // Sorted by prefix; each says something else than what is around it.
  std::span<const Term> rows() const noexcept { return rows_; }
  // Those in the block.
  std::span<const Term> inside(const Prefix& block) const noexcept;
  // The longest that contains all of the prefix; null: anything goes.
  const Term* around(const Prefix& prefix) const noexcept;

 private:
  std::vector<Term> rows_;
};

}  // namespace isochrone::routing
