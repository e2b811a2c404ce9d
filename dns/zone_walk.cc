// SPDX-License-Identifier: Apache-2.0
#include "dns/zone_walk.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "dns/wire.h"

namespace isochrone::dns {

Rrset ZoneWalk::routed(routing::ServiceId service, RoutedType type) const {
  const routing::SiteMask with = zones_.routed().service(service).sites_with(type);
  const auto& order = topology_.services[service.index()].sites;
  const auto first = std::find_if(order.begin(), order.end(), [with](routing::SiteId site) {
    return (with & routing::site_bit(site)) != 0;
  });
  if (first == order.end()) return {};
  return zones_.routed().get(service, type, *first);
}

// Moves to the next set that has records; false at the end.
bool ZoneWalk::next_set() {
  constexpr std::size_t kRouted = kRoutedTypes.size();
  for (; node_ < std::min(end_, zone_.nodes().size()); ++node_, set_index_ = 0) {
    const Zone::Node& node = zone_.nodes()[node_];
    while (set_index_ < kRouted + node.rrsets) {
      const std::size_t index = set_index_++;
      set_ = {};
      if (index >= kRouted) {
        set_ = zone_.rrset_at(node.first_rrset + index - kRouted);
      } else if (const auto service = zone_.service(node)) {
        set_ = routed(*service, kRoutedTypes[index]);
      }
      at_ = 0;
      patch_ = 0;
      if (!set_.wire.empty() && set_.type != type::soa) return true;
    }
  }
  set_ = {};
  return false;
}

bool ZoneWalk::next(ZoneRecord& record) {
  if (at_ >= set_.wire.size() && !next_set()) return false;
  take(record, zone_.nodes()[node_]);
  return true;
}

void ZoneWalk::restrict_to(const Zone::Node& node) {
  node_ = static_cast<std::size_t>(&node - zone_.nodes().data());
  end_ = node_ + 1;
  set_index_ = 0;
  set_ = {};
  at_ = 0;
}

// The record at at_, with pointers to the apex written out.
void ZoneWalk::take(ZoneRecord& record, const Zone::Node& node) {
  ByteReader head(set_.wire.subspan(at_, kRecordHead));
  head.skip(2);
  record.owner = zone_.name(node);
  record.type = head.u16();
  head.skip(2);
  record.ttl = head.u32();
  const std::size_t end = at_ + kRecordHead + set_.data_octets(at_);
  data_.clear();
  std::size_t from = at_ + kRecordHead;
  for (; patch_ + 2 <= set_.patches.size(); patch_ += 2) {
    std::uint16_t place = 0;
    std::memcpy(&place, set_.patches.data() + patch_, 2);
    if (place >= end) break;
    const Bytes before = set_.wire.subspan(from, place - from);
    data_.insert(data_.end(), before.begin(), before.end());
    data_.insert(data_.end(), zone_.origin().begin(), zone_.origin().end());
    from = place + std::size_t{2};
  }
  const Bytes rest = set_.wire.subspan(from, end - from);
  data_.insert(data_.end(), rest.begin(), rest.end());
  record.data = data_;
  at_ = end;
}

ZoneRecord ZoneWalk::soa() {
  ZoneRecord record;
  const Zone::Node& apex = zone_.nodes().front();
  const auto set = zone_.rrset(apex, type::soa);
  if (!set) return record;
  const auto saved = std::tuple(set_, at_, patch_);
  set_ = *set;
  at_ = patch_ = 0;
  take(record, apex);
  std::tie(set_, at_, patch_) = saved;
  return record;
}

}  // namespace isochrone::dns
