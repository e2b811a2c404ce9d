// SPDX-License-Identifier: Apache-2.0
#include "collector/jury.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <limits>
#include <utility>

namespace isochrone::collector {
namespace {

constexpr std::uint32_t kLost = std::numeric_limits<std::uint32_t>::max();
// Honest browsers differ by their own lines: 10 ms, or half of what the path takes.
constexpr std::uint32_t kNear = 10'000;
// A browser sees more than a probe: its last mile, and the server's thinking. What differs by more than
// 30 ms and a half is another path, or a lie.
constexpr std::int64_t kMisfit = 30'000;  // microseconds
// What a prober claimed longer ago says nothing of now.
constexpr std::uint32_t kClaimLife = 600;
// Believed again when no more than a quarter misfits: less would be half-hearted either way.
constexpr unsigned kForgivenShare = 4;

// Others are waited for so long, and what they confirmed is not doubted again for so long.
constexpr Seconds kWait{60};
constexpr Seconds kConfirmed{300};

// A path is known well enough to be surprised by after so many answers.
constexpr std::uint32_t kKnown = 8;

std::uint32_t second_of(Instant instant) {
  return static_cast<std::uint32_t>(unix_nanos(instant) / 1'000'000'000);
}

}  // namespace

std::optional<routing::WindowSummary> Juries::verdict(const std::vector<Vote>& votes, Instant end) {
  std::vector<std::uint32_t> sorted;
  for (const Vote& vote : votes) sorted.push_back(vote.rtt_us);
  std::sort(sorted.begin(), sorted.end());
  const std::uint32_t median = sorted[(sorted.size() - 1) / 2];
  const std::uint32_t reach = std::max(kNear, median / 2);
  const auto first = median == kLost ? std::lower_bound(sorted.begin(), sorted.end(), kLost)
                                     : std::lower_bound(sorted.begin(), sorted.end(),
                                                        median > reach ? median - reach : 0);
  const auto last = median == kLost
                        ? sorted.end()
                        : std::upper_bound(sorted.begin(), sorted.end(), median + reach);
  const auto agreeing = last - first;
  const auto others = static_cast<std::ptrdiff_t>(sorted.size()) - agreeing;
  if (agreeing - others < kLead) return std::nullopt;
  std::vector<Sample> samples;
  for (auto at = first; at != last; ++at) {
    const auto rtt = *at == kLost ? std::nullopt : std::optional(Micros(*at));
    samples.push_back({end, rtt, routing::Method::beacon, 0});
  }
  return summarize(std::move(samples), end);
}

std::optional<routing::WindowSummary> Juries::hear(const Path& path,
                                                   const std::vector<Sample>& votes, Instant end) {
  if (juries_.size() >= kMaxJuries && !juries_.contains(path)) return std::nullopt;
  Jury& jury = juries_[path];
  const std::uint32_t now = second_of(end);
  std::erase_if(jury.votes,
                [&](const Vote& vote) { return vote.second + kVoteLife.count() < now; });
  for (const Sample& vote : votes) {
    const auto rtt = vote.rtt ? static_cast<std::uint32_t>(vote.rtt->count()) : kLost;
    jury.votes.push_back({rtt, now});
  }
  auto found = verdict(jury.votes, end);
  if (found) {
    ++verdicts_;
    if (found->answered > 0) judge(path.site, jury, *found);
    jury.votes.clear();
  } else if (jury.votes.size() >= kMaxVotes) {
    ++hung_;
    jury.votes.clear();
  }
  return found;
}

void Juries::claim(const Path& path, const routing::WindowSummary& seen) {
  // What answers at a site's address answers pings and connections; a hop before it is another path.
  if (seen.method <= routing::Method::tcp) {
    for (const auto site : reciprocity_.claim(path.site, path.prefix, seen.p50, seen.end)) {
      if (standing(site).is_believed) {
        fallen_.push_back({site, reciprocity_.was_vouched_for(site)});
      }
    }
    Standing& standing = this->standing(path.site);
    const bool waits = standing.waits_since != Instant{};
    if (waits && reciprocity_.is_confirmed(path.site, standing.waits_since)) {
      standing.waits_since = {};
      standing.confirmed = seen.end;
    }
  }
  const auto found = juries_.find(path);
  if (found == juries_.end()) return;
  found->second.claimed_us = static_cast<std::uint32_t>(seen.p50.count());
  found->second.claimed_at = second_of(seen.end);
}

void Juries::judge(routing::SiteId site, const Jury& jury, const routing::WindowSummary& verdict) {
  if (jury.claimed_us == 0 || jury.claimed_at + kClaimLife < second_of(verdict.end)) return;
  const std::int64_t seen = verdict.p50.count();
  const std::int64_t apart = std::abs(seen - std::int64_t{jury.claimed_us});
  Standing& standing = this->standing(site);
  Cases& verdicts = standing.verdicts;
  const bool is_misfit = apart > std::max(kMisfit, seen / 2);
  verdicts.add(is_misfit);
  if (standing.is_believed && verdicts.are_mostly_bad()) {
    standing.is_believed = false;
    fallen_.push_back({site, false});
  } else if (!standing.is_believed && verdicts.heard >= kFewest &&
             verdicts.bad_ones() * kForgivenShare <= verdicts.heard) {
    standing.is_believed = true;
    standing.stories = {};
  }
}

void Juries::listen(const Path& path, const routing::Estimate& before,
                    const routing::WindowSummary& window) {
  const bool is_known =
      before.samples >= kKnown && before.method != routing::Method::beacon && window.answered > 0;
  if (!is_known) return;
  const auto is_much = [](Micros more, Micros of) {
    return more > std::max(Micros(kMisfit), of / 2);
  };
  const bool is_further = is_much(window.p50 - before.p50, before.p50);
  if (is_further && once_.size() < kMaxJuries) once_.try_emplace(path, before);
  bool is_nearer = is_much(before.p50 - window.p50, before.p50);
  if (const auto once = is_nearer ? once_.find(path) : once_.end(); once != once_.end()) {
    is_nearer = is_much(once->second.p50 - window.p50, once->second.p50);
    once_.erase(once);
  }
  Standing& standing = this->standing(path.site);
  standing.sorrows.add(is_further);
  if (standing.waits_since != Instant{}) {
    if (standing.waits_since + kWait < window.end) standing.waits_since = {};
  } else if (standing.sorrows.are_mostly_bad() && reciprocity_.was_vouched_for(path.site) &&
             standing.confirmed + kConfirmed < window.end) {
    standing.waits_since = window.end;
    standing.confirmed = window.end + kWait;
  }
  standing.stories.add(is_nearer);
  if (standing.is_believed && standing.stories.are_mostly_bad()) {
    standing.is_believed = false;
    standing.verdicts = {};  // what it was once vouched for says nothing of what it says now
  }
}

void Juries::Cases::add(bool is_bad) noexcept {
  bad = bad << 1 | (is_bad ? 1U : 0U);
  heard = std::min(heard + 1, kJudgedBy);
}

unsigned Juries::Cases::bad_ones() const noexcept {
  return static_cast<unsigned>(std::popcount(bad));
}

Juries::Standing& Juries::standing(routing::SiteId site) {
  if (standings_.size() <= site.index()) standings_.resize(site.index() + 1);
  return standings_[site.index()];
}

bool Juries::is_believed(routing::SiteId site) const noexcept {
  if (reciprocity_.is_contradicted(site)) return false;
  if (site.index() >= standings_.size()) return true;
  const Standing& standing = standings_[site.index()];
  return standing.is_believed && standing.waits_since == Instant{};
}

std::vector<Juries::Fallen> Juries::take_fallen() { return std::exchange(fallen_, {}); }

const routing::Estimate* Juries::before_it_turned(const Path& path, Instant now) const {
  const auto once = once_.find(path);
  const bool is_recent = once != once_.end() && once->second.at + Seconds(kClaimLife) >= now;
  return is_recent ? &once->second : nullptr;
}

void Juries::forget_old(Instant now) {
  const std::uint32_t second = second_of(now);
  for (auto it = juries_.begin(); it != juries_.end();) {
    Jury& jury = it->second;
    std::erase_if(jury.votes,
                  [&](const Vote& vote) { return vote.second + kVoteLife.count() < second; });
    const bool is_over = jury.votes.empty() && jury.claimed_at + kClaimLife < second;
    it = is_over ? juries_.erase(it) : std::next(it);
  }
}

void Juries::clear(const routing::Topology& topology) {
  reciprocity_ = Reciprocity(topology);
  juries_.clear();
  once_.clear();
  standings_.clear();
  fallen_.clear();
}

}  // namespace isochrone::collector
