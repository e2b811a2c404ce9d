// SPDX-License-Identifier: Apache-2.0
#include "routing/prefix_steps.h"

#include <algorithm>

namespace isochrone::routing {
namespace {

// Appends what holds from `first` on, dropping steps that turn out to be empty or no change.
void step_to(std::vector<Step>& steps, Position first, RankingId ranking) {
  if (!steps.empty() && steps.back().first == first) steps.pop_back();
  if (steps.empty() || steps.back().ranking != ranking) steps.push_back({first, ranking});
}

}  // namespace

void sort_rows(std::vector<PrefixRow>& rows) {
  const auto before = [](const PrefixRow& a, const PrefixRow& b) { return a.prefix < b.prefix; };
  if (std::is_sorted(rows.begin(), rows.end(), before)) return;
  std::stable_sort(rows.begin(), rows.end(), before);
}

std::vector<Step> flatten(std::span<const PrefixRow> rows, RankingId otherwise, Position first,
                          unsigned length) {
  struct Open {
    Position last;
    RankingId ranking;
  };
  const Position end = last_of(first, length);
  std::vector<Step> steps{{first, otherwise}};
  std::vector<Open> open{{end, otherwise}};  // the rows around the current place
  const auto close_before = [&](Position place) {
    while (open.back().last < place) {
      const Position after = open.back().last + 1;
      open.pop_back();
      step_to(steps, after, open.back().ranking);
    }
  };
  for (const PrefixRow& row : rows) {
    const Position begin = position_of(row.prefix.address());
    close_before(begin);
    step_to(steps, begin, row.ranking);
    open.push_back({last_of(begin, static_cast<unsigned>(row.prefix.length())), row.ranking});
  }
  // What ends with the block itself has nothing after it.
  while (open.back().last != end) close_before(open.back().last + 1);
  return steps;
}

}  // namespace isochrone::routing
