// SPDX-License-Identifier: Apache-2.0
#include "dns/zone_builder.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <span>
#include <tuple>
#include <utility>

#include "dns/wire.h"

namespace isochrone::dns {
namespace {

constexpr std::uint32_t kApex = 0;  // the first node

// The whole pages inside `memory` go back to the system; their contents are lost.
void release_pages(std::span<std::byte> memory) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  const std::uintptr_t first = (address + page - 1) / page * page;
  const std::uintptr_t end = (address + memory.size()) / page * page;
  // Without it only the peak is higher.
  if (first < end) madvise(memory.data() + (first - address), end - first, MADV_DONTNEED);
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
  services_ = services;
  // Growing would leave holes as large as the table; names that come back later in the file count twice.
  std::size_t owners = 16;
  for (std::size_t i = 1; i < records_.rows.size(); ++i) {
    if (records_.rows[i].owner != records_.rows[i - 1].owner) ++owners;
  }
  zone_.slots_.assign(std::bit_ceil(owners + owners / 3 + services.size()), 0);
  insert_names();
  insert_services(services);
  order_rows();
  compile_nodes();
  mark_cuts();
  check_services(services);
  finish_apex();
  if (!records_.errors.empty()) return std::nullopt;
  zone_.settle();
  return std::move(zone_);
}

std::optional<Zone> ZoneBuilder::build_unavailable() {
  zone_.origin_ = records_.origin;
  zone_.slots_.assign(16, 0);
  insert_names();
  return std::move(zone_);
}

void ZoneBuilder::insert_names() {
  zone_.names_ = std::move(records_.names);
  // Address space only: what is not written takes no memory.
  zone_.nodes_.reserve(records_.rows.size() + 1);
  Name name;
  name.assign(zone_.origin_);
  zone_.origin_labels_ = name.labels();
  add_node(name.wire(), name.hash(), kApex, std::nullopt);
  node_of_.assign(records_.rows.size(), kLeftOut);
  std::uint32_t node = kLeftOut;
  std::uint32_t last_owner = std::numeric_limits<std::uint32_t>::max();
  for (std::uint32_t i = 0; i < records_.rows.size(); ++i) {
    const Row& row = records_.rows[i];
    if (type::is_signature(row.type)) continue;  // for carried_signatures.h
    if (row.owner != last_owner) {
      last_owner = row.owner;
      name.assign(Bytes(zone_.names_).subspan(row.owner));
      const bool is_inside = name.is_within(zone_.origin_);
      node = is_inside ? insert(name, row.owner) : kLeftOut;
      if (!is_inside) {
        records_.error(row.line, fmt::format("{} is outside the zone {}", name_to_text(name.wire()),
                                             name_to_text(zone_.origin_)));
      }
    }
    // RFC 4035 section 2.4: the zone above has it.
    const bool is_parents = row.type == type::ds && node == kApex;
    if (is_parents) records_.warning(row.line, "DS at the apex is left out; the parent has it");
    node_of_[i] = is_parents ? kLeftOut : node;
  }
}

void ZoneBuilder::insert_services(const std::vector<ServiceName>& services) {
  for (const ServiceName& service : services) {
    Name name;
    name.assign(service.name);
    zone_.nodes_[insert(name, std::nullopt)].service = service.service.value();
  }
}

std::uint32_t ZoneBuilder::insert(const Name& name, std::optional<std::uint32_t> stored) {
  std::size_t skip = 0;
  std::uint32_t found = 0;
  while ((found = zone_.find_index(name.suffix(skip), name.suffix_hash(skip))) == 0) ++skip;
  std::uint32_t node = found - 1;
  while (skip-- > 0) {
    node = add_node(name.suffix(skip), name.suffix_hash(skip), node,
                    skip == 0 ? stored : std::nullopt);
  }
  return node;
}

std::uint32_t ZoneBuilder::add_node(Bytes name, std::uint32_t hash, std::uint32_t parent,
                                    std::optional<std::uint32_t> stored) {
  const auto index = static_cast<std::uint32_t>(zone_.nodes_.size());
  if ((std::size_t{index} + 1) * 4 > zone_.slots_.size() * 3) grow();
  Zone::Node node;
  node.name = stored.value_or(static_cast<std::uint32_t>(zone_.names_.size()));
  node.name_octets = static_cast<std::uint8_t>(name.size());
  if (!stored) zone_.names_.insert(zone_.names_.end(), name.begin(), name.end());
  zone_.nodes_.push_back(node);
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

// Rows of one name and type have to follow one another. Most files list a name's records together:
// then each name's are put in order where they are.
void ZoneBuilder::order_rows() {
  rows_ = records_.rows.size();
  if (std::find(node_of_.begin(), node_of_.end(), kLeftOut) != node_of_.end() ||
      !std::is_sorted(node_of_.begin(), node_of_.end())) {
    return order_all_rows();
  }
  const auto by_type = [](const Row& a, const Row& b) {
    return std::pair(a.type, a.rdata) < std::pair(b.type, b.rdata);
  };
  for (std::size_t first = 0; first < rows_;) {
    std::size_t end = first + 1;
    while (end < rows_ && node_of_[end] == node_of_[first]) ++end;
    const auto group = std::span(records_.rows).subspan(first, end - first);
    if (!std::is_sorted(group.begin(), group.end(), by_type)) {
      std::sort(group.begin(), group.end(), by_type);
    }
    first = end;
  }
}

void ZoneBuilder::order_all_rows() {
  for (std::uint32_t i = 0; i < rows_; ++i) {
    if (node_of_[i] != kLeftOut) order_.push_back(i);
  }
  std::sort(order_.begin(), order_.end(), [this](std::uint32_t a, std::uint32_t b) {
    return std::tuple(node_of_[a], records_.rows[a].type, a) <
           std::tuple(node_of_[b], records_.rows[b].type, b);
  });
  rows_ = order_.size();
}

void ZoneBuilder::compile_nodes() {
  zone_.rrsets_.reserve(rows_);
  // Address space for patches and the negative SOA besides: growing at the very end would copy it all.
  const std::size_t octets = rows_ * kRecordHead + records_.bytes.size();
  zone_.arena_.reserve(octets + octets / 2 + kMaxMessage);
  for (std::size_t first = 0; first < rows_;) {
    std::size_t end = first;
    while (end < rows_ && key(end) >> 16 == key(first) >> 16) ++end;
    compile_node(first, end);
    release_rows(first, end);
    first = end;
  }
}

// A million rows are 28 MB that nobody reads again while the zone they become grows by as much. The
// data of a name's records lie together, so the least offset from here on bounds what was compiled.
void ZoneBuilder::release_rows(std::size_t end, std::size_t group_end) {
  constexpr std::size_t kStep = 64 * 1024;
  if (!order_.empty() || end - released_ < kStep) return;
  const auto group = std::span(records_.rows).subspan(end, group_end - end);
  const std::size_t data_end =
      std::min_element(group.begin(), group.end(), [](const Row& a, const Row& b) {
        return a.rdata < b.rdata;
      })->rdata;
  const std::size_t count = end - released_;
  release_pages(std::as_writable_bytes(std::span(records_.rows).subspan(released_, count)));
  release_pages(std::as_writable_bytes(std::span(node_of_).subspan(released_, count)));
  release_pages(std::as_writable_bytes(
      std::span(records_.bytes).subspan(released_data_, data_end - released_data_)));
  released_ = end;
  released_data_ = data_end;
}

std::string ZoneBuilder::owner_text(const Row& row) const {
  return name_to_text(Bytes(zone_.names_).subspan(row.owner));
}

void ZoneBuilder::compile_node(std::size_t first, std::size_t end) {
  const auto index = static_cast<std::uint32_t>(key(first) >> 16);
  check_alias(first, end);
  zone_.nodes_[index].first_rrset = static_cast<std::uint32_t>(zone_.rrsets_.size());
  const ServiceName* service = service_at(index);
  for (std::size_t at = first; at < end;) {
    std::size_t next = at;
    while (next < end && key(next) == key(at)) ++next;
    const Row& head = row(at);
    if (head.type == type::soa) check_soa_row(head, index == kApex);
    if (head.type == type::ns && index != kApex) zone_.nodes_[index].is_cut = true;
    if (head.type == type::dname) {
      zone_.nodes_[index].has_dname = true;
      if (next - at > 1) {
        records_.error(row(at + 1).line,
                       "a second DNAME at one name; it can lead to one place only");
      }
    }
    if (service == nullptr || !leave_to_routing(head, *service)) compile_rrset(at, next);
    at = next;
  }
  zone_.nodes_[index].rrsets =
      static_cast<std::uint16_t>(zone_.rrsets_.size() - zone_.nodes_[index].first_rrset);
}

const ServiceName* ZoneBuilder::service_at(std::uint32_t node) const {
  const std::uint16_t id = zone_.nodes_[node].service;
  if (id == Zone::kNoService) return nullptr;
  const auto found = std::ranges::find(
      services_, id, [](const ServiceName& service) { return service.service.value(); });
  return &*found;
}

// True when routing answers instead of the set `head` begins. A CNAME is complained about later.
bool ZoneBuilder::leave_to_routing(const Row& head, const ServiceName& service) {
  if (head.type == type::cname) return false;
  if (service.is_alias()) {
    records_.error(head.line,
                   fmt::format("service {} is an alias (services[].answer: cname) and so "
                               "can have nothing else; remove this record",
                               owner_text(head)));
    return true;
  }
  if (!service.decides(head.type)) return false;
  const bool is_binding = head.type == type::svcb || head.type == type::https;
  records_.warning(head.line, fmt::format("{} at a service's name are ignored: they are routed",
                                          is_binding ? "service bindings" : "addresses"));
  return true;
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
    if (head.type == type::soa) zone_.soa_ = zone_.rrsets_.size();
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
      records_.error(other.line,
                     fmt::format("{} has a CNAME and so can have nothing else", owner_text(other)));
      return;
    }
    const Bytes a = records_.rdata(other);
    const Bytes b = records_.rdata(row(alias));
    if (!std::equal(a.begin(), a.end(), b.begin(), b.end())) {
      records_.error(row(alias).line,
                     fmt::format("{} has two CNAMEs; one is allowed", owner_text(other)));
      return;
    }
  }
}

void ZoneBuilder::check_soa_row(const Row& soa, bool is_apex) {
  if (!is_apex) {
    records_.error(soa.line, fmt::format("SOA at {}; it belongs to the apex {} alone",
                                         owner_text(soa), name_to_text(zone_.origin_)));
    return;
  }
  const Bytes data = records_.rdata(soa);
  if (!is_soa_data(data)) return records_.error(soa.line, "SOA data is broken");
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
                   [](const Zone::Node& node) { return node.is_cut || node.has_dname; })) {
    return;
  }
  Name name;
  for (Zone::Node& node : zone_.nodes_) {
    name.assign(Bytes(zone_.names_).subspan(node.name));
    for (std::size_t skip = 1; skip + zone_.origin_labels_ <= name.labels(); ++skip) {
      const Zone::Node* above = zone_.find_node(name, skip);
      node.is_below_cut |= above->is_cut || above->has_dname;
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
      records_.error(0,
                     fmt::format("service {} lies under a delegation or a DNAME; route a name of "
                                 "the zone itself or remove the NS or DNAME records",
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
