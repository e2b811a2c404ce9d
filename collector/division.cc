// SPDX-License-Identifier: Apache-2.0
#include "collector/division.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "routing/policy.h"
#include "routing/site_states.h"

namespace isochrone::collector {
namespace {

using routing::Estimate;
using routing::PrefixState;
using routing::Service;
using routing::SiteId;
using routing::SiteMask;

// A part gets a row when its blocks lose by so many standard errors what is not chance, and keeps it down
// to two. The jitter of a window of three samples, which errors are told from, is a third too small: six are
// four, which is once in 30 000 looks, and parts that lie at the edge do not waver.
constexpr double kSplit = 6;
constexpr double kMerge = 2;
// So many answers from each of both sites: three rounds of a prober, that one bad minute lays no row.
constexpr std::uint32_t kLeastAnswers = 9;
// What a row has from around it counts as so much less than what its own blocks say.
constexpr std::uint32_t kInherited = 4;
// And what is let in again has to be worth somewhat more than what went.
constexpr double kWorthMore = 1.25;

SiteMask allowed(const Service& service, const Prefix& at, SiteMask up) {
  const routing::Term* term = service.terms ? service.terms->around(at) : nullptr;
  const SiteMask sites =
      routing::sites_of(service) & (term != nullptr ? term->allowed : routing::kAllSites);
  return (up & sites) != 0 ? up & sites : sites;
}

bool has_answers(const Estimate* estimate) { return estimate != nullptr && estimate->samples > 0; }

// The mean of what blocks say of one site; that of the latest where something has to be chosen.
class Mean {
 public:
  void add(const Estimate& estimate) {
    if (estimate.at > latest_.at || count_ == 0) latest_ = estimate;
    ++count_;
    loss_ += estimate.loss_permille;
    if (estimate.samples == 0) return;
    ++answered_;
    min_ += estimate.min.count();
    p50_ += estimate.p50.count();
    p90_ += estimate.p90.count();
    jitter_ += estimate.jitter.count();
    samples_ += estimate.samples;
  }
  Estimate get() const {
    Estimate mean = latest_;
    mean.loss_permille = static_cast<std::uint16_t>(loss_ / count_);
    mean.samples = static_cast<std::uint32_t>(std::min<std::uint64_t>(samples_, kMostSamples));
    if (answered_ == 0) return mean;
    const auto part = [this](std::int64_t sum) {
      return Micros((sum + answered_ / 2) / answered_);
    };
    mean.min = part(min_);
    mean.p50 = part(p50_);
    mean.p90 = part(p90_);
    mean.jitter = part(jitter_);
    return mean;
  }

 private:
  static constexpr std::uint64_t kMostSamples = 0xffff'ffff;

  Estimate latest_;
  std::int64_t count_ = 0;
  std::int64_t answered_ = 0;
  std::int64_t loss_ = 0;
  std::int64_t min_ = 0;
  std::int64_t p50_ = 0;
  std::int64_t p90_ = 0;
  std::int64_t jitter_ = 0;
  std::uint64_t samples_ = 0;
};

PrefixState pool(const Prefix& row, const Blocks& blocks) {
  std::vector<std::pair<SiteId, Mean>> means;  // few sites: a list is faster than a map
  for (const PrefixState* block : blocks) {
    for (const routing::PathState& path : block->paths) {
      auto found = std::find_if(means.begin(), means.end(),
                                [&](const auto& one) { return one.first == path.site; });
      if (found == means.end()) found = means.insert(means.end(), {path.site, {}});
      found->second.add(path.estimate);
    }
  }
  PrefixState pooled;
  pooled.prefix = row;
  for (const auto& [site, mean] : means) pooled.set(site, mean.get());
  return pooled;
}

std::optional<SiteId> best_of(const Service& service, const PrefixState& state, SiteMask among) {
  std::optional<SiteId> best;
  for (const SiteId site : service.sites) {
    const Estimate* estimate = state.find(site);
    if ((among & routing::site_bit(site)) == 0 || !has_answers(estimate)) continue;
    if (!best || routing::score(*estimate, service.objective) <
                     routing::score(*state.find(*best), service.objective)) {
      best = site;
    }
  }
  return best;
}

double error_of(const Estimate& estimate) {
  // A running average over a memory of n answers is as sure as a plain one of 2 n.
  const std::uint32_t answers = std::min(estimate.samples, 2 * routing::kMemoryAnswers);
  return static_cast<double>(routing::standard_error(estimate, answers).count());
}

// What blocks lose by one site against another, each with itself compared.
struct Loss {
  std::size_t blocks = 0;
  double mean_us = 0;
  double error_us = 0;  // one standard error of the mean
  double base_us = 0;   // the mean of what they would have
  std::uint32_t answers = 0;
};

Loss loss_of(const Service& service, const Blocks& blocks, SiteId chosen, SiteId best) {
  Loss loss;
  double squares = 0;
  double noise = 0;
  std::uint64_t answers[2] = {0, 0};
  for (const PrefixState* block : blocks) {
    const Estimate* a = block->find(chosen);
    const Estimate* b = block->find(best);
    if (!has_answers(a) || !has_answers(b)) continue;
    const auto from = static_cast<double>(routing::score(*a, service.objective).count());
    const auto to = static_cast<double>(routing::score(*b, service.objective).count());
    const double of_a = error_of(*a);
    const double of_b = error_of(*b);
    ++loss.blocks;
    loss.mean_us += from - to;
    loss.base_us += from;
    squares += (from - to) * (from - to);
    noise += of_a * of_a + of_b * of_b;
    answers[0] += a->samples;
    answers[1] += b->samples;
  }
  if (loss.blocks == 0) return loss;
  const auto n = static_cast<double>(loss.blocks);
  loss.mean_us /= n;
  loss.base_us /= n;
  // What blocks differ by holds what each is wrong by; of one block only the latter is known.
  double variance = noise / n;
  if (loss.blocks > 1) {
    variance = std::max(variance, (squares - n * loss.mean_us * loss.mean_us) / (n - 1));
  }
  loss.error_us = std::sqrt(variance / n);
  loss.answers = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(std::min(answers[0], answers[1]), 0xffff'ffff));
  return loss;
}

double demand_of(const Blocks& blocks, const Targets& targets) {
  double queries = 0;
  for (const PrefixState* block : blocks) {
    const Targets::Known* known = targets.find(block->prefix);
    queries +=
        known != nullptr ? static_cast<double>(std::max<std::uint64_t>(known->queries, 1)) : 1;
  }
  return queries;
}

Prefix half_of(const Prefix& whole, bool is_second) {
  const int bit = whole.length();
  const std::uint64_t high = is_second && bit < 64 ? std::uint64_t{1} << (63 - bit) : 0;
  const std::uint64_t low = is_second && bit >= 64 ? std::uint64_t{1} << (127 - bit) : 0;
  const Address& at = whole.address();
  return {Address::from_bits(at.family(), at.high() | high, at.low() | low), bit + 1};
}

// One walk down from a start.
class Walk {
 public:
  using Choices = std::vector<std::optional<SiteId>>;  // by service: what is answered

  explicit Walk(const Ground& ground) : ground_(ground) {}

  // A row, and those inside it before what it says is known: they take their blocks with them.
  void lay(const Prefix& row, const Blocks& blocks) {
    const std::size_t place = found_.size();
    found_.emplace_back();
    const PrefixState all = pool(row, blocks);
    const Blocks left = walk(row, blocks, choices_of(all));
    found_[place] = left.empty() ? all : pool(row, left);
  }
  std::vector<PrefixState> take() { return std::move(found_); }

 private:
  // What a row names: as it was decided, or what its blocks say where it is new or has no room.
  Choices choices_of(const PrefixState& pooled) const {
    Choices choices;
    for (const Service& service : ground_.topology.services) {
      choices.push_back(best_of(service, pooled, allowed(service, pooled.prefix, ground_.up)));
    }
    const PrefixState* known = ground_.rows.find(pooled.prefix);
    if (known == nullptr) return choices;
    for (const routing::Preference& held : known->preferences) {
      const Service& service = ground_.topology.services[held.service.index()];
      const SiteMask among = allowed(service, pooled.prefix, ground_.up);
      if (held.placed || (among & routing::site_bit(held.site)) == 0) continue;
      choices[held.service.index()] = held.site;
    }
    return choices;
  }

  bool differs(const Prefix& part, const Blocks& blocks, const Choices& around) const {
    const PrefixState pooled = pool(part, blocks);
    for (std::size_t i = 0; i < around.size(); ++i) {
      const Service& service = ground_.topology.services[i];
      const SiteMask among = allowed(service, part, ground_.up);
      const auto best = best_of(service, pooled, among);
      const auto& chosen = around[i];
      if (!best || !chosen || *best == *chosen) continue;
      if ((among & routing::site_bit(*chosen)) == 0) continue;
      if (is_worth_a_row(part, service, loss_of(service, blocks, *chosen, *best), blocks))
        return true;
    }
    return false;
  }

  bool is_worth_a_row(const Prefix& part, const Service& service, const Loss& loss,
                      const Blocks& blocks) const {
    if (loss.blocks == 0 || loss.answers < kLeastAnswers) return false;
    const bool has_row = ground_.laid.contains(part);
    const double least = std::max(static_cast<double>(service.min_gain.count()),
                                  service.min_gain_share * loss.base_us);
    if (loss.mean_us <= (has_row ? least / 2 : least)) return false;
    if (loss.mean_us < (has_row ? kMerge : kSplit) * loss.error_us) return false;
    const double worth = loss.mean_us / 1'000 * demand_of(blocks, ground_.targets);
    return worth > (has_row ? ground_.price : ground_.price * kWorthMore);
  }

  // The blocks of `part` that have no row of their own yet; adds the rows inside it.
  Blocks walk(const Prefix& part, const Blocks& blocks, const Choices& around) {
    Blocks left;
    Blocks halves[2];
    for (const PrefixState* block : blocks) {
      if (block->prefix.length() <= part.length()) {
        left.push_back(block);
      } else {
        halves[half_of(part, true).contains(block->prefix) ? 1 : 0].push_back(block);
      }
    }
    // Where all blocks are in one half there is nothing to tell apart.
    const bool is_divided = !left.empty() || (!halves[0].empty() && !halves[1].empty());
    for (const bool is_second : {false, true}) {
      const Blocks& inside = halves[is_second ? 1 : 0];
      if (inside.empty()) continue;
      const Prefix half = half_of(part, is_second);
      if (is_divided && differs(half, inside, around)) {
        lay(half, inside);
      } else {
        const Blocks rest = walk(half, inside, around);
        left.insert(left.end(), rest.begin(), rest.end());
      }
    }
    return left;
  }

  const Ground& ground_;
  std::vector<PrefixState> found_;
};

// What a row does not know of a site it has from around it, and is less sure of.
void inherit(std::vector<PrefixState>& rows) {
  for (std::size_t i = 1; i < rows.size(); ++i) {
    std::size_t around = i - 1;
    while (!rows[around].prefix.contains(rows[i].prefix)) --around;
    for (const routing::PathState& path : rows[around].paths) {
      if (rows[i].find(path.site) == nullptr) rows[i].set(path.site, lowered(path.estimate));
    }
  }
}

}  // namespace

Estimate lowered(const Estimate& estimate) {
  Estimate less = estimate;
  if (less.samples > 0) less.samples = std::max(1U, less.samples / kInherited);
  return less;
}

double worth_of(const PrefixState& row, const PrefixState* around, const Blocks& blocks,
                const Ground& ground) {
  double worth = 0;
  for (std::size_t i = 0; i < ground.topology.services.size(); ++i) {
    const Service& service = ground.topology.services[i];
    const auto best = best_of(service, row, routing::kAllSites);
    if (!best) continue;
    double sum = 0;
    double count = 0;
    for (const SiteId site : service.sites) {
      const Estimate* estimate = row.find(site);
      if (!has_answers(estimate)) continue;
      sum += static_cast<double>(routing::score(*estimate, service.objective).count());
      ++count;
    }
    double instead = sum / count;
    const routing::ServiceId id(static_cast<std::uint16_t>(i));
    const SiteId* other = around != nullptr ? around->preferred(id) : nullptr;
    if (other != nullptr && has_answers(row.find(*other))) {
      instead = static_cast<double>(routing::score(*row.find(*other), service.objective).count());
    }
    const auto now =
        static_cast<double>(routing::score(*row.find(*best), service.objective).count());
    worth = std::max(worth, (instead - now) / 1'000);
  }
  return worth * demand_of(blocks, ground.targets);
}

std::vector<PrefixState> divide(const Prefix& start, const Blocks& blocks, const Ground& ground) {
  if (blocks.empty()) return {};
  Walk walk(ground);
  walk.lay(start, blocks);
  std::vector<PrefixState> rows = walk.take();
  inherit(rows);
  const bool is_new = !ground.laid.contains(start);
  if (is_new && ground.price > 0 &&
      worth_of(rows.front(), nullptr, blocks, ground) <= ground.price * kWorthMore) {
    return {};
  }
  return rows;
}

}  // namespace isochrone::collector
