// SPDX-License-Identifier: Apache-2.0
#include "dns/zone_records.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "dns/wire.h"

namespace isochrone::dns {
namespace {

constexpr std::uint32_t kMaxTtl = 0x7fff'ffff;  // RFC 2181 section 8
constexpr std::size_t kMaxOffset = std::numeric_limits<std::uint32_t>::max() - 2 * kMaxMessage;

bool is_same_folded(Bytes folded, Bytes name) {
  return std::equal(folded.begin(), folded.end(), name.begin(), name.end(),
                    [](std::uint8_t a, std::uint8_t b) { return a == fold(b); });
}

}  // namespace

bool ZoneRecords::add(Bytes owner_name, std::uint16_t type, std::uint32_t ttl, std::size_t rdata_at,
                      std::uint32_t line) {
  const std::size_t octets = bytes.size() - rdata_at;
  if (!type::is_data(type)) {
    error(line, fmt::format("type {} cannot stand in a zone", type));
  } else if (octets > std::numeric_limits<std::uint16_t>::max()) {
    error(line, "record data is longer than 65535 octets");
  } else if (bytes.size() > kMaxOffset || names.size() > kMaxOffset) {
    error(line, "zone is larger than 4 GiB");
  } else {
    Row row;
    row.type = type;
    row.ttl = std::min(ttl, kMaxTtl);
    row.line = line;
    row.rdata = static_cast<std::uint32_t>(rdata_at);
    row.rdata_octets = static_cast<std::uint16_t>(octets);
    // Files list the records of a name one after the other.
    if (!rows.empty() && is_same_folded(owner(rows.back()), owner_name)) {
      row.owner = rows.back().owner;
    } else {
      row.owner = static_cast<std::uint32_t>(names.size());
      names.resize(names.size() + owner_name.size());
      std::transform(owner_name.begin(), owner_name.end(), names.data() + row.owner, fold);
    }
    rows.push_back(row);
    return true;
  }
  bytes.resize(rdata_at);
  return false;
}

bool ZoneRecords::add(Bytes owner_name, std::uint16_t type, std::uint32_t ttl, Bytes data,
                      std::uint32_t line) {
  const std::size_t at = bytes.size();
  bytes.insert(bytes.end(), data.begin(), data.end());
  return add(owner_name, type, ttl, at, line);
}

std::string ZoneRecords::place(std::uint32_t line) const {
  if (passages.empty()) return "zone";
  if (line == 0) return passages.front().file;
  const auto after =
      std::upper_bound(passages.begin() + 1, passages.end(), line,
                       [](std::uint32_t at, const Passage& passage) { return at < passage.first; });
  const Passage& passage = *(after - 1);
  return fmt::format("{}:{}", passage.file, line - passage.first + passage.line);
}

void ZoneRecords::error(std::uint32_t line, std::string_view what) {
  if (errors.size() >= kMaxErrors) return;
  errors.emplace_back(Errc::invalid, fmt::format("{}: {}", place(line), what));
}

void ZoneRecords::warning(std::uint32_t line, std::string_view what) {
  if (warnings.size() >= kMaxErrors) return;
  warnings.push_back(fmt::format("{}: {}", place(line), what));
}

}  // namespace isochrone::dns
