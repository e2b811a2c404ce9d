// SPDX-License-Identifier: Apache-2.0
//
// Juries: what browsers say of a path, believed once enough of them agree.
//
// Nobody knows who a browser is, and some lie together. So each has one vote, and the votes of a path are
// held until those near their median are kLead more than all others; then the ones near it are one window
// of measurements, and the jury begins anew. With a share q of liars who all say the same, the odds that
// they win are (q / (1 - q))^kLead: at 30 % one in 140 000 verdicts, at 10 % one in 10^13.
//
// The same votes judge probers: what a site's prober claims of paths that juries reach a verdict on either
// fits or does not. One whose claims mostly do not is not believed, until they do again. Nor is one by
// whose word most paths became much nearer all at once, which no network does: it is not believed until
// browsers vouch for it, or the configuration is read again. Nor one that other sites' probers contradict about
// the paths between them (reciprocity.h); what makes most paths much further at once waits until they have
// confirmed it, for a minute at most.
//
// Threads:  one thread.
// Order:    votes are heard window by window, each sorted, so any order of arrival gives the same.
// Limits:   kMaxJuries paths, kMaxVotes each, of kVoteLife at most; a restart forgets votes that have led to
//           no verdict yet.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "collector/reciprocity.h"
#include "collector/window.h"
#include "routing/estimate.h"
#include "routing/topology.h"

namespace isochrone::collector {

class Juries {
 public:
  explicit Juries(const routing::Topology& topology) : reciprocity_(topology) {}

  static constexpr int kLead = 14;
  static constexpr std::size_t kMaxVotes = 128;
  static constexpr std::size_t kMaxJuries = 200'000;
  static constexpr Seconds kVoteLife{1'800};
  // A prober is judged by the last so many verdicts on paths that it claims something of, from 16 on.
  static constexpr unsigned kJudgedBy = 64;
  static constexpr unsigned kFewest = 16;

  // The votes of one closed window; a verdict, when they are enough.
  std::optional<routing::WindowSummary> hear(const Path& path, const std::vector<Sample>& votes,
                                             Instant end);
  // What a prober at the site saw of the path, in a window in which something answered.
  void claim(const Path& path, const routing::WindowSummary& seen);

  // What a prober's window says of a path that was known as `before`. Told of all windows that close together
  // before any of them counts, so that who lies about most paths at once is believed about none. A path that
  // had become much further may come back to where it was.
  void listen(const Path& path, const routing::Estimate& before,
              const routing::WindowSummary& window);
  bool is_believed(routing::SiteId site) const noexcept;
  // The sites that are not believed any more since this was asked last.
  struct Fallen {
    routing::SiteId site;
    bool
        has_turned;  // it was believed with reason until moments ago: what it said before still counts
  };
  std::vector<Fallen> take_fallen();
  // What was known of a path before it became much further, not long before `now`; null: it did not.
  const routing::Estimate* before_it_turned(const Path& path, Instant now) const;

  void forget_old(Instant now);
  // Sites were numbered anew.
  void clear(const routing::Topology& topology);
  std::size_t open() const noexcept { return juries_.size(); }
  std::uint64_t verdicts() const noexcept { return verdicts_; }
  std::uint64_t hung() const noexcept { return hung_; }  // juries that were full without a verdict

 private:
  struct Vote {
    std::uint32_t rtt_us;  // kLost: none
    std::uint32_t second;  // when, since 1970
  };
  struct Jury {
    std::vector<Vote> votes;
    std::uint32_t claimed_us = 0;  // by a prober; 0: nothing
    std::uint32_t claimed_at = 0;
  };
  // The last so many cases: a bit each, set when it speaks against.
  struct Cases {
    std::uint64_t bad = 0;
    unsigned heard = 0;
    void add(bool is_bad) noexcept;
    unsigned bad_ones() const noexcept;
    bool are_mostly_bad() const noexcept { return heard >= kFewest && bad_ones() * 2 > heard; }
  };
  struct Standing {
    Cases verdicts;  // on what its prober claims
    Cases stories;   // paths that it says are much nearer now
    Cases sorrows;   // much further
    bool is_believed = true;
    Instant waits_since{};  // for others to confirm it; the epoch: it does not
    Instant confirmed{};
  };
  Standing& standing(routing::SiteId site);

  static std::optional<routing::WindowSummary> verdict(const std::vector<Vote>& votes, Instant end);
  void judge(routing::SiteId site, const Jury& jury, const routing::WindowSummary& verdict);

  std::unordered_map<Path, Jury, PathHash> juries_;
  std::vector<Standing> standings_;  // by site
  Reciprocity reciprocity_;
  std::vector<Fallen> fallen_;
  // Where paths were before they became further.
  std::unordered_map<Path, routing::Estimate, PathHash> once_;
  std::uint64_t verdicts_ = 0;
  std::uint64_t hung_ = 0;
};

}  // namespace isochrone::collector
