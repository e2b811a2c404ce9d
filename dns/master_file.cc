// SPDX-License-Identifier: Apache-2.0
#include "dns/master_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>

#include "dns/ldns.h"
#include "dns/wire.h"

namespace isochrone::dns {
namespace {

// What a record without TTL gets before any $TTL: an hour, as ldns itself assumes.
constexpr std::uint32_t kDefaultTtl = 3'600;
constexpr std::uint32_t kMaxTtl = 0x7fff'ffff;  // RFC 2181 section 8

struct FileClose {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileClose>;

LdnsRdf to_ldns_name(Bytes wire) {
  return LdnsRdf(ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, wire.size(), wire.data()));
}

// What ldns_rr_new_frm_fp_l() carries from one record to the next.
struct Position {
  std::uint32_t default_ttl = kDefaultTtl;
  LdnsRdf origin;
  LdnsRdf previous;
  int line = 0;

  ldns_status read(std::FILE* file, LdnsRr& record) {
    ldns_rr* raw = nullptr;
    ldns_rdf* raw_origin = origin.release();
    ldns_rdf* raw_previous = previous.release();
    const ldns_status status =
        ldns_rr_new_frm_fp_l(&raw, file, &default_ttl, &raw_origin, &raw_previous, &line);
    origin.reset(raw_origin);
    previous.reset(raw_previous);
    if (status == LDNS_STATUS_OK) record.reset(raw);
    return status;
  }
};

// Appends a name, or takes the offset of the last one when it is the same: files list the records of
// a name one after the other.
void set_owner(ZoneRecords& zone, ZoneRecords::Row& row, Bytes wire) {
  std::vector<std::uint8_t> folded(wire.begin(), wire.end());
  std::transform(folded.begin(), folded.end(), folded.begin(), fold);
  row.owner_octets = static_cast<std::uint8_t>(folded.size());
  if (!zone.rows.empty()) {
    const Bytes last = zone.owner(zone.rows.back());
    if (std::equal(last.begin(), last.end(), folded.begin(), folded.end())) {
      row.owner = zone.rows.back().owner;
      return;
    }
  }
  row.owner = static_cast<std::uint32_t>(zone.bytes.size());
  zone.bytes.insert(zone.bytes.end(), folded.begin(), folded.end());
}

// The wire form of the record's data at the end of zone.bytes.
bool append_rdata(ZoneRecords& zone, ZoneRecords::Row& row, const ldns_rr* record,
                  ldns_buffer* buffer) {
  ldns_buffer_clear(buffer);
  for (std::size_t i = 0; i < ldns_rr_rd_count(record); ++i) {
    if (ldns_rdf2buffer_wire(buffer, ldns_rr_rdf(record, i)) != LDNS_STATUS_OK) return false;
  }
  const std::size_t size = ldns_buffer_position(buffer);
  if (size > std::numeric_limits<std::uint16_t>::max()) return false;
  row.rdata = static_cast<std::uint32_t>(zone.bytes.size());
  row.rdata_octets = static_cast<std::uint16_t>(size);
  const std::uint8_t* data = ldns_buffer_begin(buffer);
  zone.bytes.insert(zone.bytes.end(), data, data + size);
  return true;
}

void add_record(ZoneRecords& zone, const ldns_rr* record, ldns_buffer* buffer, std::uint32_t line) {
  ZoneRecords::Row row;
  row.type = static_cast<std::uint16_t>(ldns_rr_get_type(record));
  row.ttl = std::min(ldns_rr_ttl(record), kMaxTtl);
  row.line = line;
  const ldns_rdf* owner = ldns_rr_owner(record);
  const Bytes wire(ldns_rdf_data(owner), ldns_rdf_size(owner));
  if (ldns_rr_get_class(record) != LDNS_RR_CLASS_IN) {
    zone.error(line, "class other than IN; only IN is served");
  } else if (name_size(wire) != wire.size()) {
    zone.error(line, "owner name is longer than 255 octets or broken");
  } else if (!type::is_data(row.type)) {
    zone.error(line, fmt::format("type {} cannot stand in a zone", row.type));
  } else if (zone.bytes.size() > std::numeric_limits<std::uint32_t>::max() - 2 * kMaxMessage) {
    zone.error(line, "zone is larger than 4 GiB");
  } else {
    set_owner(zone, row, wire);
    if (append_rdata(zone, row, record, buffer)) {
      zone.rows.push_back(row);
    } else {
      zone.error(line, "record data is longer than 65535 octets or broken");
    }
  }
}

// True when the status says that a line was read which holds no record.
bool is_directive(ldns_status status) {
  return status == LDNS_STATUS_SYNTAX_TTL || status == LDNS_STATUS_SYNTAX_ORIGIN ||
         status == LDNS_STATUS_SYNTAX_EMPTY;
}

std::string describe(ldns_status status) {
  if (status == LDNS_STATUS_SYNTAX_INCLUDE) return "$INCLUDE is not supported; put the lines here";
  const char* text = ldns_get_errorstr_by_id(status);
  return text == nullptr ? "syntax error" : text;
}

// The line the record read from `offset` on starts at: ldns steps over blank lines and comments
// before a record without telling. `line` is the line at `offset`.
std::uint32_t starting_line(std::FILE* file, long offset, int line) {
  const long end = std::ftell(file);
  if (std::fseek(file, offset, SEEK_SET) != 0) return static_cast<std::uint32_t>(line);
  for (int c = std::getc(file); c != EOF; c = std::getc(file)) {
    if (c == ';') {
      while (c != EOF && c != '\n') c = std::getc(file);
    }
    if (c == '\n') {
      ++line;
    } else if (c != ' ' && c != '\t' && c != '\r') {
      break;
    }
  }
  std::fseek(file, end, SEEK_SET);
  return static_cast<std::uint32_t>(line);
}

void read_all(std::FILE* file, ZoneRecords& zone) {
  Position position;
  position.origin = to_ldns_name(zone.origin);
  const LdnsBuffer buffer(ldns_buffer_new(kMaxMessage + 1));
  while (std::feof(file) == 0 && zone.errors.size() < kMaxErrors) {
    const int before = position.line;
    const long offset = std::ftell(file);
    LdnsRr record;
    const ldns_status status = position.read(file, record);
    if (is_directive(status)) continue;
    const std::uint32_t line = position.line == before + 1
                                   ? static_cast<std::uint32_t>(position.line)
                                   : starting_line(file, offset, before + 1);
    if (status == LDNS_STATUS_OK) {
      add_record(zone, record.get(), buffer.get(), line);
    } else {
      zone.error(line, describe(status));
      if (std::ftell(file) == offset) break;  // nothing was consumed: the rest cannot be read
    }
  }
}

std::optional<std::vector<std::uint8_t>> start(ZoneRecords& zone, std::string_view origin) {
  auto wire = name_from_text(origin);
  if (!wire) zone.error(0, fmt::format("'{}' is not a domain name", origin));
  return wire;
}

}  // namespace

void ZoneRecords::error(std::uint32_t line, std::string_view what) {
  if (errors.size() >= kMaxErrors) return;
  errors.emplace_back(Errc::invalid, line == 0 ? fmt::format("{}: {}", file, what)
                                               : fmt::format("{}:{}: {}", file, line, what));
}

void ZoneRecords::warning(std::uint32_t line, std::string_view what) {
  if (warnings.size() >= kMaxErrors) return;
  warnings.push_back(fmt::format("{}:{}: {}", file, line, what));
}

ZoneRecords read_master_file(const std::filesystem::path& path, std::string_view origin) {
  ZoneRecords zone;
  zone.file = path.string();
  const auto wire = start(zone, origin);
  if (!wire) return zone;
  zone.origin = *wire;
  const File file(std::fopen(path.c_str(), "re"));
  if (!file || std::filesystem::is_directory(path)) {
    zone.error(0, fmt::format("cannot open zone file of {}: {}; name an existing, readable file",
                              origin, file ? "it is a directory" : std::strerror(errno)));
    return zone;
  }
  read_all(file.get(), zone);
  return zone;
}

ZoneRecords read_master_text(std::string_view text, std::string_view origin) {
  ZoneRecords zone;
  zone.file = "text";
  const auto wire = start(zone, origin);
  if (!wire) return zone;
  zone.origin = *wire;
  // fmemopen wants a writable pointer even to read, and at least one octet.
  std::string copy(text);
  copy += '\n';
  const File file(fmemopen(copy.data(), copy.size(), "r"));
  if (!file) {
    zone.error(0, "cannot read from memory");
    return zone;
  }
  read_all(file.get(), zone);
  return zone;
}

}  // namespace isochrone::dns
