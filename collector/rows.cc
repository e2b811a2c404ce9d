// SPDX-License-Identifier: Apache-2.0
#include "collector/rows.h"

#include <algorithm>
#include <utility>

#include "routing/prefix_tree.h"

namespace isochrone::collector {
namespace {

using routing::PrefixState;

// When there are too many rows, a few more than that go, so that not every window has to choose anew.
constexpr double kRelief = 0.05;

}  // namespace

PrefixState& Rows::block(const Prefix& block) {
  order_.insert(block);
  return blocks_.at(block);
}

void Rows::forget(const Prefix& block) {
  blocks_.erase(block);
  order_.erase(block);
}

Prefix Rows::start_of(const Prefix& block) const {
  const auto* network = networks_ != nullptr ? networks_->around(block) : nullptr;
  if (network == nullptr) return block;
  const int widest = routing::PrefixTree::whole_bits(block.family()) + 1;
  const int length = std::min(block.length(), std::max(network->prefix.length(), widest));
  return {block.address(), length};
}

// A routed prefix inside is a start of its own.
Blocks Rows::blocks_of(const Prefix& start) const {
  Blocks found;
  for (auto at = order_.lower_bound(start); at != order_.end() && start.contains(*at); ++at) {
    if (start_of(*at) == start) found.push_back(blocks_.find(*at));
  }
  return found;
}

std::vector<Prefix> Rows::rows_of(const Prefix& start) const {
  std::vector<Prefix> found;
  for (auto at = rows_.lower_bound(start); at != rows_.end() && start.contains(*at); ++at) {
    if (start_of(*at) == start) found.push_back(*at);
  }
  return found;
}

Prefix Rows::row_of(const Prefix& prefix) const {
  const int widest = start_of(prefix).length();
  for (int length = prefix.length(); length >= widest; --length) {
    const Prefix around(prefix.address(), length);
    if (rows_.contains(around)) return around;
  }
  return prefix;
}

void Rows::adopt(const PrefixState& row) {
  rows_.insert(row.prefix);
  PrefixState& known = block(row.prefix);
  for (const routing::PathState& path : row.paths) known.set(path.site, lowered(path.estimate));
}

std::vector<Prefix> Rows::too_many(const Ground& ground) {
  std::vector<Prefix> gone;
  if (most_ == 0 || rows_.size() <= most_) return gone;
  std::vector<std::pair<double, Prefix>> worths;
  for (const Prefix& row : rows_) {
    const PrefixState* known = ground.rows.find(row);
    const int widest = start_of(row).length();
    const PrefixState* around = nullptr;
    for (int length = row.length() - 1; length >= widest && around == nullptr; --length) {
      around = ground.rows.find(Prefix(row.address(), length));
    }
    Blocks inside;
    for (auto at = order_.lower_bound(row); at != order_.end() && row.contains(*at); ++at) {
      inside.push_back(blocks_.find(*at));
    }
    worths.emplace_back(known != nullptr ? worth_of(*known, around, inside, ground) : 0, row);
  }
  const auto room = static_cast<std::size_t>(static_cast<double>(most_) * (1 - kRelief));
  const std::size_t excess = rows_.size() - room;
  std::nth_element(worths.begin(), worths.begin() + static_cast<std::ptrdiff_t>(excess - 1),
                   worths.end());
  for (std::size_t i = 0; i < excess; ++i) gone.push_back(worths[i].second);
  price_ = std::max(price_, worths[excess - 1].first);
  std::sort(gone.begin(), gone.end());
  return gone;
}

void Rows::ease() {
  const auto roomy = static_cast<double>(most_) * (1 - 2 * kRelief);
  if (static_cast<double>(rows_.size()) < roomy) price_ /= 2;
}

}  // namespace isochrone::collector
