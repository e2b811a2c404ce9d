// SPDX-License-Identifier: Apache-2.0
//
// ZoneBuilder: a zone's records checked and compiled into a Zone.
//
// Checks:  one SOA at the apex and none elsewhere, NS at the apex, names inside the zone, CNAME alone,
//          no service at an alias or under a delegation, nothing beside a service that is an alias:
//          errors, all of them told. Unequal TTLs in a set (the lowest is taken), doubled records,
//          records of a routed type at a service's name (the routing table answers instead): warnings.
//          What signing added is stepped over and stays in the records (carried_signatures.h).
// Cost:    O(records) when a file lists the records of a name together, else O(records log records).
//          Names move into the zone; pages of records that were compiled are given back meanwhile,
//          so that the peak is about a third above the zone's size.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dns/routed_sets.h"
#include "dns/zone.h"
#include "dns/zone_records.h"
#include "routing/topology.h"

namespace isochrone::dns {

struct ServiceName {
  std::vector<std::uint8_t> name;  // folded wire form
  routing::ServiceId service;
  RoutedTypeMask types = 0;  // what routing decides there

  bool decides(std::uint16_t record_type) const noexcept {
    const auto type = routed_type(record_type);
    return type && (types & type_bit(*type)) != 0;
  }
  bool is_alias() const noexcept { return decides(type::cname); }
};

class ZoneBuilder {
 public:
  // Errors and warnings are added to `records`, which must outlive the builder.
  explicit ZoneBuilder(ZoneRecords& records) : records_(records) {}

  // Nothing when records.errors is not empty afterwards. `services` are the ones of this zone.
  std::optional<Zone> build(const std::vector<ServiceName>& services);
  // The apex alone, without data: asked for, the server fails.
  std::optional<Zone> build_unavailable();

 private:
  using Row = ZoneRecords::Row;
  static constexpr std::uint32_t kLeftOut = std::numeric_limits<std::uint32_t>::max();

  void insert_names();
  void insert_services(const std::vector<ServiceName>& services);
  // The node of `name`, made with all its missing ancestors. `stored`: where zone_.names_ has it.
  std::uint32_t insert(const Name& name, std::optional<std::uint32_t> stored);
  std::uint32_t add_node(Bytes name, std::uint32_t hash, std::uint32_t parent,
                         std::optional<std::uint32_t> stored);
  void place(Zone::Slot slot);
  void grow();

  void order_rows();
  void order_all_rows();
  void compile_nodes();
  void compile_node(std::size_t first, std::size_t end);
  bool leave_to_routing(const Row& head, const ServiceName& service);
  void compile_rrset(std::size_t first, std::size_t end);
  void check_alias(std::size_t first, std::size_t end);
  void check_soa_row(const Row& row, bool is_apex);
  void mark_cuts();
  void check_services(const std::vector<ServiceName>& services);
  void finish_apex();
  void release_rows(std::size_t end, std::size_t group_end);
  std::string owner_text(const Row& row) const;
  const ServiceName* service_at(std::uint32_t node) const;
  std::size_t index_of(std::size_t place) const { return order_.empty() ? place : order_[place]; }
  const Row& row(std::size_t place) const { return records_.rows[index_of(place)]; }
  // Node above, type below: equal for the records of one RRset.
  std::uint64_t key(std::size_t place) const {
    return (std::uint64_t{node_of_[index_of(place)]} << 16) | row(place).type;
  }

  ZoneRecords& records_;
  std::span<const ServiceName> services_;
  Zone zone_;
  std::vector<std::uint32_t> node_of_;  // by row
  std::vector<std::uint32_t> order_;    // rows by node and type; empty: as they are
  std::size_t rows_ = 0;                // in that order, without those left out
  std::size_t released_ = 0;            // rows
  std::size_t released_data_ = 0;       // octets
};

}  // namespace isochrone::dns
