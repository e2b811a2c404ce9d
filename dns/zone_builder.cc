// SPDX-License-Identifier: Apache-2.0
#include "dns/zone_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dns/wire.h"

namespace isochrone::dns {
namespace {

constexpr std::uint32_t kApex = 0;  // the first node

bool is_signature(std::uint16_t record_type) {
  return record_type == type::rrsig || record_type == type::nsec || record_type == type::nsec3 ||
         record_type == type::nsec3param;
}

bool is_address(std::uint16_t record_type) {
  return record_type == type::a || record_type == type::aaaa;
}

std::uint64_t key_of(std::uint32_t node, std::uint16_t record_type) {
  return (std::uint64_t{node} << 16) | record_type;
}

// Two adjacent names and five numbers (RFC 1035 section 3.3.13).
bool is_soa_data(Bytes data) {
  const auto first = name_size(data);
  if (!first) return false;
  const auto second = name_size(data.subspan(*first));
  return second && data.size() == *first + *second + 20;
}

}  // namespace

std::optional<Zone> ZoneBuilder::build(const std::vector<ServiceName>& services) {
  zone_.origin_ = records_.origin;
  zone_.slots_.assign(16, 0);
  insert_names();
  insert_services(services);
  std::sort(keyed_.begin(), keyed_.end(), [](const Keyed& a, const Keyed& b) {
    return std::pair(a.key, a.row) < std::pair(b.key, b.row);
  });
  compile_nodes();
  mark_cuts();
  check_services(services);
  finish_apex();
  if (!records_.errors.empty()) return std::nullopt;
  zone_.arena_.shrink();
  zone_.names_.shrink_to_fit();
  zone_.nodes_.shrink_to_fit();
  zone_.rrsets_.shrink_to_fit();
  return std::move(zone_);
}

void ZoneBuilder::insert_names() {
  Name name;
  name.assign(zone_.origin_);
  zone_.origin_labels_ = name.labels();
  add_node(name.wire(), name.hash(), kApex);
  bool has_signatures = false;
  keyed_.reserve(records_.rows.size());
  std::uint32_t node = kApex;
  std::uint32_t last_owner = 0;
  bool is_first = true;
  for (std::uint32_t i = 0; i < records_.rows.size(); ++i) {
    const Row& row = records_.rows[i];
    if (is_signature(row.type)) {
      if (!has_signatures) records_.warning(row.line, "DNSSEC signatures and denials are left out");
      has_signatures = true;
      continue;
    }
    if (is_first || row.owner != last_owner) {
      name.assign(records_.owner(row));
      if (!name.is_within(zone_.origin_)) {
        records_.error(row.line, fmt::format("{} is outside the zone {}", name_to_text(name.wire()),
                                             name_to_text(zone_.origin_)));
        is_first = true;
        continue;
      }
      node = insert(name);
      last_owner = row.owner;
      is_first = false;
    }
    keyed_.push_back({key_of(node, row.type), i});
  }
}

void ZoneBuilder::insert_services(const std::vector<ServiceName>& services) {
  for (const ServiceName& service : services) {
    Name name;
    name.assign(service.name);
    zone_.nodes_[insert(name)].service = service.service.value();
  }
}

// The node of `name`, made with all its missing ancestors.
std::uint32_t ZoneBuilder::insert(const Name& name) {
  std::size_t skip = 0;
  std::uint32_t found = 0;
  while ((found = zone_.find_index(name.suffix(skip), name.suffix_hash(skip))) == 0) ++skip;
  std::uint32_t node = found - 1;
  while (skip-- > 0) node = add_node(name.suffix(skip), name.suffix_hash(skip), node);
  return node;
}

std::uint32_t ZoneBuilder::add_node(Bytes name, std::uint32_t hash, std::uint32_t parent) {
  const auto index = static_cast<std::uint32_t>(zone_.nodes_.size());
  if ((std::size_t{index} + 1) * 4 > zone_.slots_.size() * 3) grow();
  Zone::Node node;
  node.name = static_cast<std::uint32_t>(zone_.names_.size());
  node.name_octets = static_cast<std::uint8_t>(name.size());
  zone_.names_.insert(zone_.names_.end(), name.begin(), name.end());
  zone_.nodes_.push_back(node);
  parents_.push_back(parent);
  if (name.size() > 1 && name[0] == 1 && name[1] == '*' && index != kApex) {
    zone_.nodes_[parent].has_wildcard = true;
  }
  place((Zone::Slot{index + 1} << 32) | hash);
  return index;
}

void ZoneBuilder::place(Zone::Slot slot) {
  const std::size_t mask = zone_.slots_.size() - 1;
  std::size_t at = static_cast<std::uint32_t>(slot) & mask;
  while (zone_.slots_[at] != 0) at = (at + 1) & mask;
  zone_.slots_[at] = slot;
}

void ZoneBuilder::grow() {
  const auto old = std::exchange(zone_.slots_, std::vector<Zone::Slot>(zone_.slots_.size() * 2));
  for (const Zone::Slot slot : old) {
    if (slot != 0) place(slot);
  }
}

void ZoneBuilder::compile_nodes() {
  for (std::size_t first = 0; first < keyed_.size();) {
    std::size_t end = first;
    while (end < keyed_.size() && keyed_[end].key >> 16 == keyed_[first].key >> 16) ++end;
    compile_node(first, end);
    first = end;
  }
}

void ZoneBuilder::compile_node(std::size_t first, std::size_t end) {
  const auto index = static_cast<std::uint32_t>(keyed_[first].key >> 16);
  check_alias(first, end);
  zone_.nodes_[index].first_rrset = static_cast<std::uint32_t>(zone_.rrsets_.size());
  const bool is_routed = zone_.nodes_[index].service != Zone::kNoService;
  for (std::size_t at = first; at < end;) {
    std::size_t next = at;
    while (next < end && keyed_[next].key == keyed_[at].key) ++next;
    const Row& head = row(at);
    if (head.type == type::soa) check_soa_row(head, index == kApex);
    if (head.type == type::ns && index != kApex) zone_.nodes_[index].is_cut = true;
    if (head.type == type::dname) {
      records_.warning(head.line,
                       "DNAME is answered as data only; names below it do not follow it");
    }
    if (is_routed && is_address(head.type)) {
      records_.warning(head.line, "addresses at a service's name are ignored: they are routed");
    } else {
      compile_rrset(at, next);
    }
    at = next;
  }
  zone_.nodes_[index].rrsets =
      static_cast<std::uint16_t>(zone_.rrsets_.size() - zone_.nodes_[index].first_rrset);
}

void ZoneBuilder::compile_rrset(std::size_t first, std::size_t end) {
  std::vector<Bytes> data;
  std::uint32_t ttl = row(first).ttl;
  bool has_unequal_ttl = false;
  for (std::size_t at = first; at < end; ++at) {
    const Bytes one = records_.rdata(row(at));
    has_unequal_ttl |= row(at).ttl != ttl;
    ttl = std::min(ttl, row(at).ttl);
    const bool is_double = std::any_of(data.begin(), data.end(), [&](Bytes other) {
      return std::equal(one.begin(), one.end(), other.begin(), other.end());
    });
    if (is_double) {
      records_.warning(row(at).line, "record is there already; the second is left out");
    } else {
      data.push_back(one);
    }
  }
  const Row& head = row(first);
  if (has_unequal_ttl) {
    records_.warning(head.line,
                     fmt::format("TTLs of one RRset differ; the lowest, {}, is taken", ttl));
  }
  if (head.type == type::soa && data.size() > 1) {
    records_.error(row(end - 1).line, "a second SOA; a zone has exactly one");
    return;
  }
  const auto handle = zone_.arena_.add(head.type, ttl, data, zone_.origin_);
  if (handle) {
    zone_.rrsets_.push_back(*handle);
  } else {
    records_.error(head.line, "RRset does not fit a message of 65535 octets");
  }
}

void ZoneBuilder::check_alias(std::size_t first, std::size_t end) {
  std::size_t alias = end;
  for (std::size_t at = first; at < end; ++at) {
    if (row(at).type == type::cname) alias = at;
  }
  if (alias == end) return;
  for (std::size_t at = first; at < end; ++at) {
    const Row& other = row(at);
    if (at == alias) continue;
    if (other.type != type::cname) {
      records_.error(other.line, fmt::format("{} has a CNAME and so can have nothing else",
                                             name_to_text(records_.owner(other))));
      return;
    }
    const Bytes a = records_.rdata(other);
    const Bytes b = records_.rdata(row(alias));
    if (!std::equal(a.begin(), a.end(), b.begin(), b.end())) {
      records_.error(row(alias).line, fmt::format("{} has two CNAMEs; one is allowed",
                                                  name_to_text(records_.owner(other))));
      return;
    }
  }
}

void ZoneBuilder::check_soa_row(const Row& soa, bool is_apex) {
  if (!is_apex) {
    records_.error(soa.line,
                   fmt::format("SOA at {}; it belongs to the apex {} alone",
                               name_to_text(records_.owner(soa)), name_to_text(zone_.origin_)));
    return;
  }
  const Bytes data = records_.rdata(soa);
  if (!is_soa_data(data)) {
    records_.error(soa.line, "SOA data is broken");
    return;
  }
  ByteReader numbers(data.last(20));
  zone_.serial_ = numbers.u32();
  numbers.skip(12);
  zone_.negative_ttl_ = std::min(soa.ttl, numbers.u32());
  const auto handle =
      zone_.arena_.add(type::soa, zone_.negative_ttl_, std::span(&data, 1), zone_.origin_);
  if (handle) zone_.negative_soa_ = *handle;
}

void ZoneBuilder::mark_cuts() {
  // Without a cut nothing lies below one: most zones end here.
  if (std::none_of(zone_.nodes_.begin(), zone_.nodes_.end(),
                   [](const Zone::Node& node) { return node.is_cut; })) {
    return;
  }
  for (std::uint32_t i = 1; i < zone_.nodes_.size(); ++i) {
    for (std::uint32_t at = parents_[i]; at != kApex; at = parents_[at]) {
      if (zone_.nodes_[at].is_cut) zone_.nodes_[i].is_below_cut = true;
    }
  }
}

void ZoneBuilder::check_services(const std::vector<ServiceName>& services) {
  for (const ServiceName& service : services) {
    Name name;
    name.assign(service.name);
    const Zone::Node* node = zone_.find_node(name);
    const std::string text = name_to_text(service.name);
    if (node->is_cut || node->is_below_cut) {
      records_.error(0, fmt::format("service {} lies under a delegation; route a name of the zone "
                                    "itself or remove the NS records",
                                    text));
    }
    if (zone_.rrset(*node, type::cname)) {
      records_.error(
          0, fmt::format("service {} is a CNAME here; remove it or route its target", text));
    }
  }
}

void ZoneBuilder::finish_apex() {
  const std::string text = name_to_text(zone_.origin_);
  if (!records_.errors.empty())
    return;  // an apex record may be missing because it could not be read
  if (zone_.negative_soa_.records == 0) {
    records_.error(0, fmt::format("zone {} has no SOA record; add one at its apex", text));
  }
  if (!zone_.rrset(zone_.nodes_[kApex], type::ns)) {
    records_.error(0,
                   fmt::format("zone {} has no NS record at its apex; add its name servers", text));
  }
}

}  // namespace isochrone::dns
