// SPDX-License-Identifier: Apache-2.0
#include "dns/zone_walk.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "dns/wire.h"
#include "routing/pick.h"

namespace isochrone::dns {

// Moves to the records of the next site that the routed type before set_index_ names; false when there
// is none.
bool ZoneWalk::next_named(routing::ServiceId service) {
  if (named_.empty()) return false;
  const RoutedType type = kRoutedTypes[set_index_ - 1];
  set_ = version_.zones.routed().get(service, type, named_.back());
  named_.pop_back();
  ++place_;
  priority_ = is_binding(type) ? place_ : std::uint16_t{0};
  if (named_.empty()) rrsig_ = std::exchange(routed_rrsig_, {});
  return true;
}

// The sites whose records the service's name has of the type, and the signature over them.
void ZoneWalk::name_sites(routing::ServiceId service, RoutedType type) {
  const auto with = version_.zones.routed().service(service).sites_with(type);
  const auto& topology = version_.topology;
  named_ = routing::last_resort(topology, topology.services[service.index()], with);
  place_ = 0;
  if (version_.signatures != nullptr && !named_.empty()) {
    routed_rrsig_ = version_.signatures->routed_rrsig(service, type, named_, with);
  }
  std::reverse(named_.begin(), named_.end());
}

// Moves to the next set that has records; false at the end.
bool ZoneWalk::next_set() {
  const auto& nodes = version_.zone.nodes();
  for (; node_ < nodes.size(); ++node_, set_index_ = 0) {
    if (next_set_of(nodes[node_])) return true;
  }
  return next_made_here();
}

bool ZoneWalk::next_set_of(const Zone::Node& node) {
  constexpr std::size_t kRouted = kRoutedTypes.size();
  owner_ = version_.zone.name(node);
  const auto service = version_.zone.service(node);
  if (service && next_named(*service)) return true;
  while (set_index_ < kRouted + node.rrsets) {
    const std::size_t index = set_index_++;
    set_ = rrsig_ = {};
    if (index >= kRouted) {
      set_ = version_.zone.rrset_at(node.first_rrset + index - kRouted);
      if (version_.signatures != nullptr) rrsig_ = version_.signatures->rrsig(set_);
      if (set_.type == type::soa) set_ = std::exchange(rrsig_, {});
    } else if (service) {
      name_sites(*service, kRoutedTypes[index]);
      next_named(*service);
    }
    if (!set_.wire.empty()) return true;
  }
  return false;
}

bool ZoneWalk::next_made_here() {
  set_ = rrsig_ = {};
  const Signatures* signatures = version_.signatures;
  while (signatures != nullptr && made_here_ < signatures->apex_sets() + signatures->denials()) {
    const std::size_t index = made_here_++;
    Signatures::Pair pair;
    if (index < signatures->apex_sets()) {
      pair = signatures->apex_set_at(index);
      if (pair.set.type == type::soa) continue;
      owner_ = version_.zone.origin();
    } else {
      const auto denial = signatures->denial_at(index - signatures->apex_sets());
      const Bytes apex = version_.zone.origin();
      denial_owner_.assign(denial.owner.begin(), denial.owner.end());
      denial_owner_.insert(denial_owner_.end(), apex.begin(), apex.end());
      owner_ = denial_owner_;
      pair = denial.record;
    }
    set_ = pair.set;
    rrsig_ = pair.rrsig;
    return true;
  }
  return false;
}

bool ZoneWalk::next(ZoneRecord& record) {
  if (at_ >= set_.wire.size()) {
    set_ = std::exchange(rrsig_, {});
    priority_ = 0;
    if (set_.wire.empty() && !next_set()) return false;
    at_ = patch_ = 0;
  }
  record.owner = owner_;
  take(record);
  return true;
}

// The record at at_, with pointers to the apex written out.
void ZoneWalk::take(ZoneRecord& record) {
  ByteReader head(set_.wire.subspan(at_, kRecordHead));
  head.skip(2);
  record.type = head.u16();
  head.skip(2);
  record.ttl = head.u32();
  const Bytes apex = version_.zone.origin();
  const std::size_t end = at_ + kRecordHead + set_.data_octets(at_);
  data_.clear();
  std::size_t from = at_ + kRecordHead;
  for (; patch_ + 2 <= set_.patches.size(); patch_ += 2) {
    std::uint16_t place = 0;
    std::memcpy(&place, set_.patches.data() + patch_, 2);
    if (place >= end) break;
    const Bytes before = set_.wire.subspan(from, place - from);
    data_.insert(data_.end(), before.begin(), before.end());
    data_.insert(data_.end(), apex.begin(), apex.end());
    from = place + std::size_t{2};
  }
  const Bytes rest = set_.wire.subspan(from, end - from);
  data_.insert(data_.end(), rest.begin(), rest.end());
  if (priority_ != 0) store_be(data_.data(), priority_);
  record.data = data_;
  at_ = end;
}

ZoneRecord ZoneWalk::soa() {
  ZoneRecord record;
  const Zone::Node& apex = version_.zone.nodes().front();
  auto set = version_.zone.rrset(apex, type::soa);
  if (!set) return record;
  if (version_.signatures != nullptr) {
    if (const auto made = version_.signatures->apex_set(type::soa)) set = made->set;
  }
  ZoneWalk other(version_);
  other.set_ = *set;
  record.owner = version_.zone.origin();
  other.take(record);
  data_ = std::move(other.data_);
  record.data = data_;
  return record;
}

}  // namespace isochrone::dns
