// SPDX-License-Identifier: Apache-2.0
//
// MasterRecord: one entry of a master file as a record in wire form.
//
// Division: owner, TTL, class, type and the data of the types that zones are full of are read here;
//           ldns reads the data of every other type, and of whatever looks unusual, and says what is
//           wrong. A test holds both to the same bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "dns/zone_records.h"

namespace isochrone::dns {

// What carries over from one entry to the next.
struct MasterContext {
  std::vector<std::uint8_t> origin;          // wire form
  std::vector<std::uint8_t> previous_owner;  // empty before the first record
  std::optional<std::uint32_t> default_ttl;  // of $TTL
  std::optional<std::uint32_t> last_ttl;     // stated last: holds where $TTL is absent (RFC 1035)
};

// Adds the record of `entry` to `zone`, or an error at `line`.
void add_master_record(std::string_view entry, std::uint32_t line, MasterContext& context,
                       ZoneRecords& zone);

// A name of master file text, case kept; relative to `origin` without a final dot.
std::optional<std::vector<std::uint8_t>> master_name(std::string_view text, Bytes origin);
// "3600", "1h30m"; nothing when it is none or past 32 bits.
std::optional<std::uint32_t> master_ttl(std::string_view text);

// The data of a record by our own reader and by ldns, for the test that compares them. The text is
// what stands behind the type. False leaves `out` as it was.
bool read_common_data(std::uint16_t type, std::string_view text, Bytes origin,
                      std::vector<std::uint8_t>& out);
// Empty, or what is wrong.
std::string read_any_data(std::string_view type, std::string_view text, Bytes origin,
                          std::vector<std::uint8_t>& out);

}  // namespace isochrone::dns
