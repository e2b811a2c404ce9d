// SPDX-License-Identifier: Apache-2.0
//
// Reciprocity: what a prober says of other sites, beside what their probers say of its own.
//
// A round trip takes as long from either end, congested or not. So where the last two windows of both ends are
// apart, one of them is wrong; a site that most others contradict is it. Those others are then asked again
// without it, the most contradicted first, so that few do not discredit many. A site that lies of clients
// alone is not found out by this, nor are half of all when they say the same.
//
// Threads:  one thread.
// Cost:     claim() O(sites^2), of the windows of sites' own addresses alone.
// Limits:   of collectors that share a log each judges by the pairs whose addresses are both in its partitions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/ip.h"
#include "base/time.h"
#include "routing/site_mask.h"
#include "routing/topology.h"

namespace isochrone::collector {

class Reciprocity {
 public:
  // A site is judged from so many pairs on.
  static constexpr unsigned kFewest = 3;

  Reciprocity() = default;
  explicit Reciprocity(const routing::Topology& topology);

  // What a prober at the site saw of a prefix, if that is a site's first address; the sites that are
  // contradicted only since.
  std::vector<routing::SiteId> claim(routing::SiteId from, const Prefix& prefix, Micros p50,
                                     Instant end);
  bool is_contradicted(routing::SiteId site) const noexcept {
    return (contradicted_ & routing::site_bit(site)) != 0;
  }
  // Most others agree with what it said since, and it with what they said.
  bool is_confirmed(routing::SiteId site, Instant since) const;
  // Others agreed with it once.
  bool was_vouched_for(routing::SiteId site) const noexcept {
    return (vouched_ & routing::site_bit(site)) != 0;
  }

 private:
  struct Claim {
    Micros p50{0};
    Instant end{};
  };
  using LastTwo = std::array<Claim, 2>;  // the newer one first
  enum class Verdict : std::uint8_t { unknown, fits, misfits };

  LastTwo& of(std::size_t from, std::size_t to) { return claims_[from * homes_.size() + to]; }
  Verdict compare(std::size_t a, std::size_t b, Instant now) const;
  // What others say of a site, those `without` left out.
  struct Word {
    unsigned pairs = 0;
    unsigned misfits = 0;
  };
  Word word_on(std::size_t site, routing::SiteMask without) const;

  std::vector<std::optional<Prefix>> homes_;  // by SiteId
  std::vector<LastTwo> claims_;
  std::vector<Verdict> verdicts_;  // of pairs
  routing::SiteMask contradicted_ = 0;
  routing::SiteMask vouched_ = 0;
};

}  // namespace isochrone::collector
