// SPDX-License-Identifier: Apache-2.0
#include "dns/zone_walk.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "dns/wire.h"
#include "routing/pick.h"

namespace isochrone::dns {

// Moves to the records of the next site that the routed type before set_index_ names; false when there
// is none.
bool ZoneWalk::next_named(const Zone::Node& node) {
  if (named_.empty()) return false;
  set_ = zones_.routed().get(*zone_.service(node), kRoutedTypes[set_index_ - 1], named_.back());
  named_.pop_back();
  return true;
}

// Moves to the next set that has records; false at the end.
bool ZoneWalk::next_set() {
  constexpr std::size_t kRouted = kRoutedTypes.size();
  at_ = 0;
  patch_ = 0;
  for (; node_ < std::min(end_, zone_.nodes().size()); ++node_, set_index_ = 0) {
    const Zone::Node& node = zone_.nodes()[node_];
    const auto service = zone_.service(node);
    if (next_named(node)) return true;
    while (set_index_ < kRouted + node.rrsets) {
      const std::size_t index = set_index_++;
      if (index >= kRouted) {
        set_ = zone_.rrset_at(node.first_rrset + index - kRouted);
        if (set_.type != type::soa) return true;
      } else if (service) {
        const auto with = zones_.routed().service(*service).sites_with(kRoutedTypes[index]);
        named_ = routing::last_resort(topology_, topology_.services[service->index()], with);
        std::reverse(named_.begin(), named_.end());
        if (next_named(node)) return true;
      }
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
  named_.clear();
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
