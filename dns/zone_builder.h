// SPDX-License-Identifier: Apache-2.0
//
// ZoneBuilder: a zone's records checked and compiled into a Zone.
//
// Checks:  one SOA at the apex and none elsewhere, NS at the apex, names inside the zone, CNAME alone,
//          no service at an alias or under a delegation: errors, all of them told. Unequal TTLs in a
//          set (the lowest is taken), doubled records, addresses at a service's name (the routing
//          table answers instead), signatures (nothing is served signed yet): warnings.
// Cost:    O(records log records), about three times the zone's size while it runs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dns/master_file.h"
#include "dns/zone.h"
#include "routing/topology.h"

namespace isochrone::dns {

struct ServiceName {
  std::vector<std::uint8_t> name;  // folded wire form
  routing::ServiceId service;
};

class ZoneBuilder {
 public:
  // Errors and warnings are added to `records`, which must outlive the builder.
  explicit ZoneBuilder(ZoneRecords& records) : records_(records) {}

  // Nothing when records.errors is not empty afterwards. `services` are the ones of this zone.
  std::optional<Zone> build(const std::vector<ServiceName>& services);

 private:
  using Row = ZoneRecords::Row;
  struct Keyed {
    std::uint64_t key;  // node above, type below: sorting groups RRsets
    std::uint32_t row;
  };

  void insert_names();
  void insert_services(const std::vector<ServiceName>& services);
  std::uint32_t insert(const Name& name);
  std::uint32_t add_node(Bytes name, std::uint32_t hash, std::uint32_t parent);
  void place(Zone::Slot slot);
  void grow();

  void compile_nodes();
  void compile_node(std::size_t first, std::size_t end);
  void compile_rrset(std::size_t first, std::size_t end);
  void check_alias(std::size_t first, std::size_t end);
  void check_soa_row(const Row& row, bool is_apex);
  void mark_cuts();
  void check_services(const std::vector<ServiceName>& services);
  void finish_apex();
  const Row& row(std::size_t index) const { return records_.rows[keyed_[index].row]; }

  ZoneRecords& records_;
  Zone zone_;
  std::vector<std::uint32_t> parents_;  // by node
  std::vector<Keyed> keyed_;
};

}  // namespace isochrone::dns
