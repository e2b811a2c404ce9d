// SPDX-License-Identifier: Apache-2.0
#include "collector/reciprocity.h"

#include <algorithm>

namespace isochrone::collector {
namespace {

// Two that differ by more than 30 ms and half of the shorter are of different paths, or one of them is a lie.
constexpr Micros kMisfit{30'000};
// What was claimed longer ago says nothing of now.
constexpr Seconds kClaimLife{600};
// Believed again when no more than a quarter misfits, as by juries.
constexpr unsigned kForgivenShare = 4;

routing::SiteId site_at(std::size_t index) {
  return routing::SiteId(static_cast<std::uint16_t>(index));
}

}  // namespace

Reciprocity::Reciprocity(const routing::Topology& topology) {
  for (const routing::Site& site : topology.sites) {
    homes_.emplace_back();
    if (site.addresses.empty()) continue;
    homes_.back() = Prefix(site.addresses.front(), site.addresses.front().width());
  }
  claims_.resize(homes_.size() * homes_.size());
  verdicts_.resize(claims_.size(), Verdict::unknown);
}

Reciprocity::Verdict Reciprocity::compare(std::size_t a, std::size_t b, Instant now) const {
  const LastTwo& there = claims_[a * homes_.size() + b];
  const LastTwo& back = claims_[b * homes_.size() + a];
  for (const Claim& claim : {there[0], there[1], back[0], back[1]}) {
    if (claim.end + kClaimLife < now) return Verdict::unknown;
  }
  // One end has looked twice since the other did: what it saw may be new.
  if (there[1].end >= back[0].end || back[1].end >= there[0].end)
    return verdicts_[a * homes_.size() + b];
  const auto [least, most] = std::minmax(there[0].p50, there[1].p50);
  const auto [least_back, most_back] = std::minmax(back[0].p50, back[1].p50);
  const Micros apart = std::max(least - most_back, least_back - most);
  const Micros shorter = std::min(most, most_back);
  return apart > std::max(kMisfit, shorter / 2) ? Verdict::misfits : Verdict::fits;
}

Reciprocity::Word Reciprocity::word_on(std::size_t site, routing::SiteMask without) const {
  Word word;
  for (std::size_t other = 0; other < homes_.size(); ++other) {
    if (other == site || (without & routing::site_bit(site_at(other))) != 0) continue;
    const Verdict verdict = verdicts_[site * homes_.size() + other];
    word.pairs += verdict != Verdict::unknown ? 1U : 0U;
    word.misfits += verdict == Verdict::misfits ? 1U : 0U;
  }
  return word;
}

bool Reciprocity::is_confirmed(routing::SiteId site, Instant since) const {
  const std::size_t a = site.index();
  unsigned fits = 0;
  for (std::size_t b = 0; a < homes_.size() && b < homes_.size(); ++b) {
    const bool is_new = std::min(claims_[a * homes_.size() + b][1].end,
                                 claims_[b * homes_.size() + a][1].end) >= since;
    fits += is_new && verdicts_[a * homes_.size() + b] == Verdict::fits ? 1U : 0U;
  }
  return fits >= kFewest && fits * 2 > word_on(a, contradicted_).pairs;
}

std::vector<routing::SiteId> Reciprocity::claim(routing::SiteId from, const Prefix& prefix,
                                                Micros p50, Instant end) {
  const auto home = std::find(homes_.begin(), homes_.end(), prefix);
  const std::size_t a = from.index();
  const auto b = static_cast<std::size_t>(home - homes_.begin());
  if (home == homes_.end() || a == b || a >= homes_.size()) return {};
  LastTwo& known = of(a, b);
  known = {Claim{p50, end}, known[0]};
  const Verdict verdict = compare(a, b, end);
  verdicts_[a * homes_.size() + b] = verdicts_[b * homes_.size() + a] = verdict;

  routing::SiteMask without = 0;
  while (true) {
    std::optional<std::size_t> worst;
    Word word;
    for (std::size_t site = 0; site < homes_.size(); ++site) {
      if ((without & routing::site_bit(site_at(site))) != 0) continue;
      const Word on = word_on(site, without);
      const bool is_doubted = is_contradicted(site_at(site))
                                  ? on.misfits * kForgivenShare > on.pairs
                                  : on.misfits * 2 > on.pairs;
      if (on.pairs < kFewest || !is_doubted) continue;
      if (worst && on.misfits * word.pairs <= word.misfits * on.pairs) continue;
      worst = site;
      word = on;
    }
    if (!worst) break;
    without |= routing::site_bit(site_at(*worst));
  }
  std::vector<routing::SiteId> fallen;
  for (std::size_t site = 0; site < homes_.size(); ++site) {
    const routing::SiteMask bit = routing::site_bit(site_at(site));
    if ((without & ~contradicted_ & bit) != 0) fallen.push_back(site_at(site));
    const Word on = word_on(site, without);
    if (on.pairs >= kFewest && on.misfits * kForgivenShare <= on.pairs) vouched_ |= bit & ~without;
  }
  contradicted_ = without;
  return fallen;
}

}  // namespace isochrone::collector
