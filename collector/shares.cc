// SPDX-License-Identifier: Apache-2.0
#include "collector/shares.h"

#include <fmt/format.h>

#include "base/crc32c.h"
#include "base/random.h"
#include "base/text.h"

namespace isochrone::collector {
namespace {

constexpr std::string_view kMember = "member/";
constexpr std::string_view kOwner = "owner/";
// So many words within a lease, so that one that comes late costs nothing.
constexpr int kBeatsPerLease = 3;

std::string to_bytes(const Shares::Owner& owner) {
  return fmt::format("{} {}", owner.life, owner.name);
}

// "LIFE NAME"; of a member what follows the life is a count.
std::optional<Shares::Owner> from_bytes(std::string_view bytes) {
  const auto space = bytes.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto life = parse_number<std::uint64_t>(bytes.substr(0, space));
  if (!life) return std::nullopt;
  return Shares::Owner{std::string(bytes.substr(space + 1)), *life};
}

std::uint64_t weight(const std::string& name, Partition partition) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(name.data());
  Random spread(std::uint64_t{crc32c({data, name.size()})} << 8 | partition);
  return spread();
}

}  // namespace

void Shares::restore(const EventLog& log, Monotonic now) {
  std::vector<Note> known;
  for (const std::string_view prefix : {kMember, kOwner}) {
    log.notes(prefix, [&](std::string_view key, std::string_view bytes) {
      known.push_back({std::string(key), std::string(bytes)});
    });
  }
  take(known, now);
}

void Shares::take(const std::vector<Note>& notes, Monotonic now) {
  for (const Note& note : notes) {
    const std::string_view key = note.key;
    const bool is_member = key.starts_with(kMember);
    if (!is_member && !key.starts_with(kOwner)) continue;
    auto said = from_bytes(note.bytes);
    if (!said) continue;
    if (is_member) {
      members_[std::string(key.substr(kMember.size()))] = {said->life, now};
      continue;
    }
    const auto partition = parse_number<Partition>(key.substr(kOwner.size()));
    if (partition && *partition < owners_.size()) owners_[*partition] = std::move(*said);
  }
}

bool Shares::lives(const Owner& owner, Monotonic now) const {
  // One that started anew no longer is who it was.
  if (owner.name == me_.name) return owner == me_;
  const auto member = members_.find(owner.name);
  return member != members_.end() && member->second.life == owner.life &&
         now - member->second.heard < lease_;
}

Shares::Owner Shares::best(Partition partition, Monotonic now) const {
  Owner best = me_;
  for (const auto& [name, member] : members_) {
    const Owner other{name, member.life};
    if (name == me_.name || !lives(other, now)) continue;
    if (weight(name, partition) > weight(best.name, partition)) best = other;
  }
  return best;
}

std::vector<Note> Shares::due(Monotonic now) const {
  std::vector<Note> notes;
  const auto known = members_.find(me_.name);
  const bool is_known = known != members_.end() && known->second.life == me_.life;
  if (!is_known || now - known->second.heard >= lease_ / kBeatsPerLease) {
    notes.push_back({std::string(kMember) + me_.name, fmt::format("{} alive", me_.life)});
  }
  for (Partition i = 0; i < owners_.size(); ++i) {
    const bool is_mine = owners_[i] == me_;
    if (!is_mine && !owners_[i].name.empty() && lives(owners_[i], now)) continue;
    const Owner next = best(i, now);
    if (next == owners_[i] || (!is_mine && next != me_)) continue;
    notes.push_back({fmt::format("{}{:02}", kOwner, i), to_bytes(next)});
  }
  return notes;
}

Parts Shares::mine() const {
  Parts parts;
  for (Partition i = 0; i < owners_.size(); ++i) parts[i] = owners_[i] == me_;
  return parts;
}

}  // namespace isochrone::collector
