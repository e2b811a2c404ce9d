// SPDX-License-Identifier: Apache-2.0
#include "dns/journal_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <map>
#include <system_error>
#include <utility>

#include "base/fd.h"
#include "dns/snapshot_file.h"

namespace isochrone::dns {
namespace {

constexpr std::array<std::uint8_t, 8> kMagic{'I', 'S', 'O', 'J', 'R', 'N', 'L', '1'};
constexpr std::size_t kFrameHead = 13;  // kind, octets, CRC
constexpr std::uint8_t kStep = 'S';
constexpr std::uint8_t kVersion = 'V';

using Buffer = std::vector<std::uint8_t>;

void put(Buffer& out, std::uint64_t value, int octets) {
  for (int i = octets; i-- > 0;) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}
void put(Buffer& out, Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

// The CRC covers kind and payload: a step is never taken for a version.
std::uint32_t checksum(std::uint8_t kind, Bytes payload) {
  const std::array<std::uint8_t, 1> first{kind};
  return crc32c(payload) ^ crc32c(first);
}

void put_frame(Buffer& out, std::uint8_t kind, Bytes payload) {
  put(out, kind, 1);
  put(out, payload.size(), 8);
  put(out, checksum(kind, payload), 4);
  put(out, payload);
}

Buffer encoded(const Difference& step) {
  Buffer payload;
  payload.reserve(12 + step.octets());
  put(payload, step.from, 4);
  put(payload, step.to, 4);
  put(payload, step.removed.octets(), 4);
  put(payload, step.removed.bytes());
  put(payload, step.added.bytes());
  return payload;
}

std::shared_ptr<const Difference> decoded_step(Bytes payload) {
  ByteReader in(payload);
  auto step = std::make_shared<Difference>();
  step->from = in.u32();
  step->to = in.u32();
  step->removed = PackedRecords(in.take(in.u32()));
  step->added = PackedRecords(in.take(in.remaining()));
  return in.ok() ? step : nullptr;
}

// One frame of the file; false when it makes no sense.
bool take_frame(std::uint8_t kind, Bytes payload, StoredJournal& stored, bool& has_version) {
  if (kind == kStep) {
    const auto step = decoded_step(payload);
    const bool follows = step && (!has_version || step->from == stored.serial());
    if (!follows) return false;
    stored.journal = stored.journal.extended(step);
    if (has_version) stored.later.push_back(step);
    return true;
  }
  if (kind != kVersion || has_version) return false;
  ByteReader in(payload);
  stored.version_serial = in.u32();
  stored.soa = PackedRecords(in.take(in.u32()));
  stored.version = PackedRecords(in.take(in.remaining()));
  const auto& steps = stored.journal.steps();
  has_version = in.ok() && (steps.empty() || steps.back()->to == stored.version_serial);
  return has_version;
}

Result<void> write_behind(const std::filesystem::path& path, std::size_t octets, Bytes bytes) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) return fail_errno("cannot open " + path.string(), errno);
  // Whatever a failure before left behind the last whole frame goes first.
  if (::ftruncate(file.get(), static_cast<off_t>(octets)) != 0 ||
      ::lseek(file.get(), 0, SEEK_END) != static_cast<off_t>(octets)) {
    return fail_errno("cannot cut " + path.string(), errno);
  }
  while (!bytes.empty()) {
    const ssize_t count = ::write(file.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("cannot write " + path.string(), errno);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  if (::fdatasync(file.get()) != 0) return fail_errno("cannot write " + path.string(), errno);
  return {};
}

}  // namespace

VersionRecords StoredJournal::newest() const {
  VersionRecords records;
  records.serial = serial();
  records.soa = soa;
  if (!later.empty()) {
    std::size_t at = 0;
    ZoneRecord newest_soa;
    records.soa = {};
    if (later.back()->added.next(at, newest_soa)) records.soa.add(newest_soa);
  }
  records.each = [this](const VersionRecords::Visit& visit) {
    // What a later step removes, unless one after it adds it again.
    std::map<Fingerprint, int> balance;
    const auto count = [&balance](const PackedRecords& packed, int by) {
      std::size_t at = 0;
      ZoneRecord record;
      for (packed.next(at, record); packed.next(at, record);) balance[fingerprint(record)] += by;
    };
    for (const auto& step : later) {
      count(step->removed, -1);
      count(step->added, 1);
    }
    std::size_t at = 0;
    ZoneRecord record;
    while (version.next(at, record)) {
      const auto found = balance.find(fingerprint(record));
      if (found == balance.end() || found->second >= 0) visit(record);
    }
    for (const auto& step : later) {
      at = 0;
      step->added.next(at, record);  // its SOA
      while (step->added.next(at, record)) {
        auto& left = balance[fingerprint(record)];
        if (std::exchange(left, 0) > 0) visit(record);
      }
    }
  };
  return records;
}

std::filesystem::path journal_file(const std::filesystem::path& state_dir, std::string_view zone) {
  return state_dir / "zones" / (std::string(zone) + ".journal");
}

std::optional<StoredJournal> decode_journal(Bytes file) {
  ByteReader in(file);
  const Bytes magic = in.take(kMagic.size());
  if (!in.ok() || !std::equal(magic.begin(), magic.end(), kMagic.begin(), kMagic.end())) {
    return std::nullopt;
  }
  StoredJournal stored;
  bool has_version = false;
  while (in.remaining() >= kFrameHead) {
    const std::uint8_t kind = in.u8();
    const std::uint64_t octets = std::uint64_t{in.u32()} << 32 | in.u32();
    const std::uint32_t sum = in.u32();
    if (octets > in.remaining()) break;
    const Bytes payload = in.take(static_cast<std::size_t>(octets));
    if (checksum(kind, payload) != sum || !take_frame(kind, payload, stored, has_version)) break;
    stored.octets = in.position();
  }
  if (!has_version) return std::nullopt;
  return stored;
}

std::optional<StoredJournal> read_journal(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::nullopt;
  std::error_code error;
  const auto octets = std::filesystem::file_size(file, error);
  if (error) return std::nullopt;
  std::vector<char> raw(octets);  // at once: it holds a whole zone
  in.read(raw.data(), static_cast<std::streamsize>(raw.size()));
  const auto got = static_cast<std::size_t>(in.gcount());
  return decode_journal({reinterpret_cast<const std::uint8_t*>(raw.data()), got});
}

std::optional<StoredJournal> JournalStore::load() {
  auto stored = read_journal(file_);
  is_usable_ = stored.has_value();
  if (!stored) return stored;
  octets_ = stored->octets;
  kept_ = stored->octets;
  behind_ = 0;
  return stored;
}

Result<void> JournalStore::append(const Difference& step) {
  Buffer frame;
  put_frame(frame, kStep, encoded(step));
  auto written = write_behind(file_, octets_, frame);
  is_usable_ = written.has_value();
  if (!written) return written;
  octets_ += frame.size();
  behind_ += frame.size();
  return {};
}

Result<void> JournalStore::rewrite(const Journal& journal, const VersionRecords& newest) {
  is_usable_ = false;
  Buffer bytes(kMagic.begin(), kMagic.end());
  for (const auto& step : journal.steps()) put_frame(bytes, kStep, encoded(*step));
  PackedRecords all;
  newest.each([&](const ZoneRecord& record) { all.add(record); });
  Buffer version;
  version.reserve(8 + newest.soa.octets() + all.octets());
  put(version, newest.serial, 4);
  put(version, newest.soa.octets(), 4);
  put(version, newest.soa.bytes());
  put(version, all.bytes());
  put_frame(bytes, kVersion, version);
  std::error_code error;
  std::filesystem::create_directories(file_.parent_path(), error);
  if (error) {
    return fail(Errc::io,
                fmt::format("cannot make {}: {}", file_.parent_path().string(), error.message()));
  }
  if (auto written = write_snapshot(file_, bytes); !written) return written;
  is_usable_ = true;
  octets_ = kept_ = bytes.size();
  behind_ = 0;
  return {};
}

}  // namespace isochrone::dns
