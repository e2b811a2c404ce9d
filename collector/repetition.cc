// SPDX-License-Identifier: Apache-2.0
#include "collector/repetition.h"

#include "base/hash.h"
#include "event/codec.h"

namespace isochrone::collector {
namespace {

Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

std::size_t Repetitions::IdHash::operator()(const event::EventId& id) const noexcept {
  return hash_bits(std::hash<std::string>{}(id.source) ^ id.epoch, id.sequence);
}

// Among what this very commit brings: it has no position yet.
std::optional<Found> Repetitions::pending(const event::EventId& id) {
  for (; indexed_ < fresh_.size(); ++indexed_) by_id_.emplace(fresh_[indexed_].id, indexed_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return std::nullopt;
  const event::Event& event = fresh_[found->second];
  return Found{event.channel(), {0, event::stored_form(event)}};
}

Repetitions::Verdict Repetitions::judge(const event::Event& event, std::optional<Found>& stored) {
  stored = pending(event.id);
  if (!stored && ++lookups_ <= kMaxLookups) stored = log_.find(event.id);
  if (!stored) return Verdict::unknown;
  const std::string bytes = event::stored_form(event);
  return event::is_same_content(as_bytes(bytes), as_bytes(stored->stored.event)) ? Verdict::same
                                                                                 : Verdict::other;
}

}  // namespace isochrone::collector
