// SPDX-License-Identifier: Apache-2.0
#include "dns/zone_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <system_error>

#include "base/counter.h"
#include "base/log.h"
#include "dns/journal.h"
#include "dns/snapshot_file.h"

namespace isochrone::dns {
namespace {

constexpr std::array<std::uint8_t, 8> kMagic{'I', 'S', 'O', 'Z', 'O', 'N', 'E', '1'};
constexpr std::size_t kHead = kMagic.size() + 4;

void put(std::vector<std::uint8_t>& out, std::uint64_t value, int octets) {
  for (int i = octets; i-- > 0;) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void put(std::vector<std::uint8_t>& out, Bytes bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

Counter failures;

}  // namespace

std::uint64_t zone_store_failures() { return failures.value(); }

std::filesystem::path stored_zone_file(const std::filesystem::path& state_dir,
                                       std::string_view zone) {
  // Names of the configuration are letters, digits, hyphens and dots: none leads out of the folder.
  return state_dir / "zones" / (std::string(zone) + ".stored");
}

Result<void> store_zone(const std::filesystem::path& file, const ZoneRecords& records) {
  std::vector<std::uint8_t> bytes(kHead, 0);
  bytes.reserve(kHead + records.bytes.size() + 32 * records.rows.size());
  for (const ZoneRecords::Row& row : records.rows) {
    put(bytes, records.owner(row));
    put(bytes, row.type, 2);
    put(bytes, row.ttl, 4);
    put(bytes, row.rdata_octets, 2);
    put(bytes, records.rdata(row));
  }
  std::vector<std::uint8_t> head(kMagic.begin(), kMagic.end());
  put(head, crc32c(Bytes(bytes).subspan(kHead)), 4);
  std::copy(head.begin(), head.end(), bytes.begin());
  std::error_code error;
  std::filesystem::create_directories(file.parent_path(), error);
  Result<void> stored;
  if (error) {
    stored = fail(Errc::io,
                  fmt::format("cannot make {}: {}", file.parent_path().string(), error.message()));
  } else {
    stored = write_snapshot(file, bytes);
  }
  if (!stored) failures.add();
  return stored;
}

ZoneRecords decode_stored_zone(Bytes file, std::string_view origin) {
  ZoneRecords zone;
  zone.passages.push_back({1, 1, fmt::format("stored zone {}", origin)});
  if (auto wire = name_from_text(origin)) zone.origin = std::move(*wire);
  ByteReader in(file);
  const Bytes magic = in.take(kMagic.size());
  const std::uint32_t sum = in.u32();
  if (!in.ok() || !std::equal(magic.begin(), magic.end(), kMagic.begin(), kMagic.end()) ||
      crc32c(file.subspan(kHead)) != sum) {
    zone.error(0, "is no stored zone of this version, or damaged");
    return zone;
  }
  while (in.remaining() > 0) {
    const Bytes owner = in.take(name_size(file.subspan(in.position())).value_or(file.size() + 1));
    const std::uint16_t record_type = in.u16();
    const std::uint32_t ttl = in.u32();
    const Bytes data = in.take(in.u16());
    if (!in.ok()) {
      zone.error(0, "ends inside a record");
    } else {
      zone.add(owner, record_type, ttl, data, 0);
    }
  }
  return zone;
}

ZoneRecords read_stored_zone(const std::filesystem::path& file, std::string_view origin) {
  ZoneRecords zone;
  std::ifstream in(file, std::ios::binary);
  if (in) {
    const std::vector<char> raw{std::istreambuf_iterator<char>(in), {}};
    zone =
        decode_stored_zone({reinterpret_cast<const std::uint8_t*>(raw.data()), raw.size()}, origin);
    if (zone.errors.empty() && !zone.rows.empty()) return zone;
    log_warning(
        fmt::format("stored zone is broken, waiting for its primary file={}", file.string()));
  }
  ZoneRecords none;
  none.passages.push_back({1, 1, fmt::format("stored zone {}", origin)});
  if (auto wire = name_from_text(origin)) none.origin = std::move(*wire);
  none.is_unavailable = true;
  return none;
}

Instant confirmed_at(const std::filesystem::path& file) {
  struct stat facts {};
  if (stat(file.c_str(), &facts) != 0) return {};
  return from_unix_nanos(std::int64_t{facts.st_mtim.tv_sec} * 1'000'000'000 +
                         facts.st_mtim.tv_nsec);
}

void confirm(const std::filesystem::path& file, Instant now) {
  const std::int64_t nanos = unix_nanos(now);
  const timespec time{nanos / 1'000'000'000, nanos % 1'000'000'000};
  const timespec times[2] = {time, time};
  // When it fails, a restart believes the zone for a shorter time.
  utimensat(AT_FDCWD, file.c_str(), times, 0);
}

}  // namespace isochrone::dns
