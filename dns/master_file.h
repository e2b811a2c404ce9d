// SPDX-License-Identifier: Apache-2.0
//
// Master files (RFC 1035 section 5) read into plain records in wire form, through ldns.
//
// Errors:  reading goes on behind a bad line, so all errors of a file are told at once (the first
//          kMaxErrors of them), each as FILE:LINE: what; the line is the one a record starts on.
// Limits:  4 GiB of names and data per zone (offsets are 32 bits).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/name.h"

namespace isochrone::dns {

constexpr std::size_t kMaxErrors = 50;  // more than anyone reads before the next try

// All records of one zone: rows point into `bytes`, so that a million of them stay compact.
struct ZoneRecords {
  struct Row {
    std::uint32_t owner = 0;  // offset of the folded wire name
    std::uint32_t rdata = 0;
    std::uint32_t ttl = 0;
    std::uint32_t line = 0;
    std::uint16_t rdata_octets = 0;
    std::uint16_t type = 0;
    std::uint8_t owner_octets = 0;
  };
  std::vector<std::uint8_t> origin;  // folded wire name
  std::string file;                  // how errors name it
  std::vector<std::uint8_t> bytes;
  std::vector<Row> rows;
  std::vector<Error> errors;
  std::vector<std::string> warnings;

  Bytes owner(const Row& row) const { return Bytes(bytes).subspan(row.owner, row.owner_octets); }
  Bytes rdata(const Row& row) const { return Bytes(bytes).subspan(row.rdata, row.rdata_octets); }
  void error(std::uint32_t line, std::string_view what);
  void warning(std::uint32_t line, std::string_view what);
};

// `origin` is the zone's name as text. What fails is in the result's errors.
ZoneRecords read_master_file(const std::filesystem::path& file, std::string_view origin);
ZoneRecords read_master_text(std::string_view text, std::string_view origin);

}  // namespace isochrone::dns
