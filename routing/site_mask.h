// SPDX-License-Identifier: Apache-2.0
//
// SiteId, and a set of sites in one machine word: bit i is SiteId(i).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/strong.h"

namespace isochrone::routing {

using SiteId = Strong<struct SiteTag, std::uint16_t>;
using ServiceId = Strong<struct ServiceTag, std::uint16_t>;

// One machine word: a mask test on the query path is one AND.
constexpr std::size_t kMaxSites = 64;

using SiteMask = std::uint64_t;
constexpr SiteMask site_bit(SiteId site) noexcept { return SiteMask{1} << site.value(); }
constexpr SiteMask kAllSites = ~SiteMask{0};

}  // namespace isochrone::routing
