// SPDX-License-Identifier: Apache-2.0
#include "dns/journal.h"

#include <algorithm>
#include <string>
#include <utility>

namespace isochrone::dns {
namespace {

// The records of one node, each packed alone, in order: comparable as texts.
std::vector<PackedRecords> records_of(const ZoneVersion& version, const Zone::Node& node) {
  std::vector<PackedRecords> records;
  ZoneWalk walk(version.zones, version.topology, version.zone);
  walk.restrict_to(node);
  for (ZoneRecord record; walk.next(record);) records.emplace_back().add(record);
  return records;
}

bool holds_the_same(const Zone& a, const Zone::Node& x, const Zone& b, const Zone::Node& y) {
  if (a.service(x) || b.service(y) || x.rrsets != y.rrsets) return false;
  for (std::size_t i = 0; i < x.rrsets; ++i) {
    const Rrset left = a.rrset_at(x.first_rrset + i);
    const Rrset right = b.rrset_at(y.first_rrset + i);
    if (left.type != right.type ||
        !std::equal(left.wire.begin(), left.wire.end(), right.wire.begin(), right.wire.end())) {
      return false;
    }
  }
  return true;
}

std::vector<std::uint8_t> key_of(const PackedRecords& one) {
  std::vector<std::uint8_t> key;
  std::size_t at = 0;
  ZoneRecord record;
  one.next(at, record);
  key.assign({static_cast<std::uint8_t>(record.type >> 8), static_cast<std::uint8_t>(record.type)});
  for (int shift = 24; shift >= 0; shift -= 8) {
    key.push_back(static_cast<std::uint8_t>(record.ttl >> shift));
  }
  key.insert(key.end(), record.data.begin(), record.data.end());
  return key;
}

// Adds to `to` what `from` has and `other` has not.
void add_missing(const std::vector<PackedRecords>& from, const std::vector<PackedRecords>& other,
                 PackedRecords& to) {
  std::vector<std::vector<std::uint8_t>> known;
  for (const PackedRecords& one : other) known.push_back(key_of(one));
  std::sort(known.begin(), known.end());
  for (const PackedRecords& one : from) {
    if (std::binary_search(known.begin(), known.end(), key_of(one))) continue;
    std::size_t at = 0;
    ZoneRecord record;
    if (one.next(at, record)) to.add(record);
  }
}

void add_soa(const ZoneVersion& version, PackedRecords& to) {
  ZoneWalk walk(version.zones, version.topology, version.zone);
  to.add(walk.soa());
}

}  // namespace

void PackedRecords::add(const ZoneRecord& record) {
  const auto number = [this](std::uint64_t value, int octets) {
    for (int i = octets; i-- > 0;) bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  };
  bytes_.insert(bytes_.end(), record.owner.begin(), record.owner.end());
  number(record.type, 2);
  number(record.ttl, 4);
  number(record.data.size(), 2);
  bytes_.insert(bytes_.end(), record.data.begin(), record.data.end());
}

bool PackedRecords::next(std::size_t& at, ZoneRecord& record) const {
  if (at >= bytes_.size()) return false;
  ByteReader in(Bytes(bytes_).subspan(at));
  record.owner = in.take(name_size(Bytes(bytes_).subspan(at)).value_or(0));
  record.type = in.u16();
  record.ttl = in.u32();
  record.data = in.take(in.u16());
  at += in.position();
  return in.ok();
}

Difference difference(const ZoneVersion& before, const ZoneVersion& after) {
  Difference step;
  step.from = before.zone.serial();
  step.to = after.zone.serial();
  add_soa(before, step.removed);
  add_soa(after, step.added);
  Name name;
  for (const Zone::Node& node : after.zone.nodes()) {
    name.assign(after.zone.name(node));
    const Zone::Node* old = before.zone.find_node(name);
    if (old != nullptr && holds_the_same(before.zone, *old, after.zone, node)) continue;
    const auto now = records_of(after, node);
    const auto was = old == nullptr ? std::vector<PackedRecords>() : records_of(before, *old);
    add_missing(was, now, step.removed);
    add_missing(now, was, step.added);
  }
  for (const Zone::Node& node : before.zone.nodes()) {
    name.assign(before.zone.name(node));
    if (after.zone.find_node(name) != nullptr) continue;
    add_missing(records_of(before, node), {}, step.removed);
  }
  return step;
}

Journal Journal::extended(std::shared_ptr<const Difference> step) const {
  Journal next;
  if (!steps_.empty() && steps_.back()->to == step->from) next.steps_ = steps_;
  next.steps_.push_back(std::move(step));
  std::size_t octets = 0;
  auto first = next.steps_.end();
  while (first != next.steps_.begin()) {
    octets += (*std::prev(first))->octets();
    if (octets > kMaxJournalOctets) break;
    --first;
  }
  next.steps_.erase(next.steps_.begin(), first);
  return next;
}

Journal::Steps Journal::since(std::uint32_t serial) const {
  const auto first = std::find_if(steps_.begin(), steps_.end(),
                                  [serial](const auto& step) { return step->from == serial; });
  return {first, steps_.end()};
}

}  // namespace isochrone::dns
