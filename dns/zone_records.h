// SPDX-License-Identifier: Apache-2.0
//
// ZoneRecords: all records of one zone in wire form, where each was written, and what is wrong there.
//
// Lines:   counted on through all files of a zone, so that one number is a place: `passages` says
//          which file it means. 0 means the zone as a whole.
// Limits:  4 GiB of names and as much data per zone (offsets are 32 bits).
// Cost:    20 octets per record, its data, and its name unless the record before has the same.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/name.h"

namespace isochrone::dns {

constexpr std::size_t kMaxErrors = 50;  // more than anyone reads before the next try

struct ZoneRecords {
  struct Row {
    std::uint32_t owner = 0;  // offset in names
    std::uint32_t rdata = 0;  // offset in bytes
    std::uint32_t ttl = 0;
    std::uint32_t line = 0;
    std::uint16_t rdata_octets = 0;
    std::uint16_t type = 0;
  };
  // From line `first` on, lines are those of `file` from `line` on.
  struct Passage {
    std::uint32_t first = 1;
    std::uint32_t line = 1;
    std::string file;
  };

  std::vector<std::uint8_t> origin;  // folded wire name
  std::vector<Passage> passages;     // at least one; `first` rises
  std::vector<std::uint8_t> names;   // folded wire names
  std::vector<std::uint8_t> bytes;   // data
  std::vector<Row> rows;
  bool is_unavailable = false;  // a secondary zone that never came, or is too old to be believed
  std::vector<Error> errors;
  std::vector<std::string> warnings;

  Bytes owner(const Row& row) const {
    const Bytes rest = Bytes(names).subspan(row.owner);
    return rest.first(name_size(rest).value_or(0));
  }
  Bytes rdata(const Row& row) const { return Bytes(bytes).subspan(row.rdata, row.rdata_octets); }

  // Appends a record whose data were appended to `bytes` already, from `rdata` on. `owner` is a wire
  // name, folded here. False, and an error, when the record cannot stand in a zone.
  bool add(Bytes owner, std::uint16_t type, std::uint32_t ttl, std::size_t rdata,
           std::uint32_t line);
  bool add(Bytes owner, std::uint16_t type, std::uint32_t ttl, Bytes data, std::uint32_t line);

  // FILE:LINE of a line.
  std::string place(std::uint32_t line) const;
  void error(std::uint32_t line, std::string_view what);
  void warning(std::uint32_t line, std::string_view what);
};

}  // namespace isochrone::dns
