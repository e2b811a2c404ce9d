// SPDX-License-Identifier: Apache-2.0
#include "dns/answered_with.h"

#include <algorithm>

namespace isochrone::dns {
namespace {

// Whether any prefix around the client is in a sorted range.
template <class Has>
bool has_around(const Address& client, Has has) {
  for (int length = client.width(); length >= 0; --length) {
    if (has(Prefix(client, length))) return true;
  }
  return false;
}

}  // namespace

void AnsweredWith::published(const dns::Snapshot& snapshot, const std::map<Prefix, bool>& changed,
                             Monotonic now) {
  Kept next{{snapshot.generation, snapshot.table->generation(), snapshot.state_position,
             snapshot.health_position},
            now,
            {}};
  next.changed.reserve(changed.size());
  for (const auto& change : changed) next.changed.push_back(change.first);
  changes_ += next.changed.size();
  kept_.push_back(std::move(next));
  // One that was replaced less than kKept ago may still be reported.
  while (kept_.size() > 1 && (kept_[1].since + kKept < now || changes_ > kMaxChanges)) {
    changes_ -= kept_.front().changed.size();
    kept_.pop_front();
  }
}

std::optional<AnsweredWith::Snapshot> AnsweredWith::find(
    std::uint64_t generation, const Address& client, const std::map<Prefix, bool>& pending) const {
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) {
    return kept.snapshot.generation == generation;
  });
  if (found == kept_.end()) return std::nullopt;
  const auto is_pending = [&](const Prefix& prefix) { return pending.contains(prefix); };
  if (!pending.empty() && has_around(client, is_pending)) return std::nullopt;
  for (auto later = found + 1; later != kept_.end(); ++later) {
    const auto is_changed = [&](const Prefix& prefix) {
      return std::binary_search(later->changed.begin(), later->changed.end(), prefix);
    };
    if (!later->changed.empty() && has_around(client, is_changed)) return std::nullopt;
  }
  return found->snapshot;
}

}  // namespace isochrone::dns
