// SPDX-License-Identifier: Apache-2.0
#include "dns/snapshot_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <limits>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "base/log.h"

namespace isochrone::dns {
namespace {

constexpr std::array<std::uint8_t, 8> kMagic{'I', 'S', 'O', 'S', 'N', 'A', 'P', 1};
constexpr std::size_t kHead = kMagic.size() + 8 + 4;
constexpr std::uint16_t kUnknown = 0xffff;  // a name this configuration does not have

// A file's octets, read as they are asked for. The state directory is locked and files in it are replaced,
// not cut: what was there when it was opened stays there.
class MappedFile {
 public:
  // Nothing when there is none, or it is empty.
  static std::optional<MappedFile> open(const std::filesystem::path& file) {
    const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat about {};
    if (!fd || fstat(fd.get(), &about) != 0 || about.st_size <= 0) return std::nullopt;
    const auto size = static_cast<std::size_t>(about.st_size);
    void* at = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (at == MAP_FAILED) return std::nullopt;
    return MappedFile({static_cast<const std::uint8_t*>(at), size});
  }
  MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile() {
    if (!bytes_.empty()) munmap(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size());
  }
  Bytes bytes() const noexcept { return bytes_; }
  // What lies before an octet was read: its pages count no more for this process. They can be read again.
  void forget_before(std::size_t octet) const noexcept {
    constexpr std::size_t kPage = 4'096;
    auto* at = const_cast<std::uint8_t*>(bytes_.data());
    madvise(at, std::min(octet, bytes_.size()) / kPage * kPage, MADV_DONTNEED);
  }

 private:
  explicit MappedFile(Bytes bytes) noexcept : bytes_(bytes) {}

  Bytes bytes_;
};

// Numbers and texts appended to a growing buffer.
class Encoder {
 public:
  void number(std::uint64_t value, int octets) {
    while (octets-- > 0) bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * octets)));
  }
  void u16(std::size_t value) { number(value, 2); }
  void micros(Micros value) {
    const auto count = std::clamp<std::int64_t>(value.count(), 0, 0xffff'ffff);
    number(static_cast<std::uint64_t>(count), 4);
  }
  void instant(Instant value) { number(static_cast<std::uint64_t>(unix_nanos(value)), 8); }
  void put(Bytes bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  void text(std::string_view text) {
    text = text.substr(0, 0xffff);
    u16(text.size());
    bytes_.insert(bytes_.end(), text.begin(), text.end());
  }
  // What was written, as the payload behind a head that is right for it.
  std::vector<std::uint8_t> finish() {
    const Bytes payload = Bytes(bytes_).subspan(kHead);
    std::copy(kMagic.begin(), kMagic.end(), bytes_.begin());
    store_be(bytes_.data() + kMagic.size(), std::uint64_t{payload.size()});
    store_be(bytes_.data() + kMagic.size() + 8, crc32c(payload));
    return std::move(bytes_);
  }

 private:
  std::vector<std::uint8_t> bytes_ = std::vector<std::uint8_t>(kHead);
};

void encode_prefix(Encoder& out, const routing::PrefixState& state) {
  const auto octets = state.prefix.address().bytes();
  out.number(state.prefix.family() == Family::v4 ? 4 : 6, 1);
  out.number(static_cast<std::uint64_t>(state.prefix.length()), 1);
  out.put(Bytes(octets).first((static_cast<std::size_t>(state.prefix.length()) + 7) / 8));
  out.number(state.version, 8);
  out.u16(state.paths.size());
  for (const routing::PathState& path : state.paths) {
    out.u16(path.site.value());
    out.micros(path.estimate.min);
    out.micros(path.estimate.p50);
    out.micros(path.estimate.p90);
    out.micros(path.estimate.jitter);
    out.instant(path.estimate.at);
    out.number(path.estimate.samples, 4);
    out.u16(path.estimate.loss_permille);
    out.number(static_cast<std::uint64_t>(path.estimate.method), 1);
  }
  out.u16(state.preferences.size());
  for (const routing::Preference& preference : state.preferences) {
    out.u16(preference.service.value());
    out.u16(preference.site.value());
  }
}

std::string read_text(ByteReader& in) {
  const Bytes text = in.take(in.u16());
  return {text.begin(), text.end()};
}

Micros read_micros(ByteReader& in) { return Micros(in.u32()); }
Instant read_instant(ByteReader& in) {
  return from_unix_nanos(static_cast<std::int64_t>(in.u64()));
}

// The file's numbers as ids of the topology; kUnknown for names it lost.
template <class Find>
std::vector<std::uint16_t> read_names(ByteReader& in, std::size_t& known, Find find) {
  std::vector<std::uint16_t> ids;
  for (std::size_t left = in.u16(); left > 0 && in.ok(); --left) {
    const auto id = find(read_text(in));
    ids.push_back(id ? id->value() : kUnknown);
    if (id) ++known;
  }
  return ids;
}

std::uint16_t id_at(const std::vector<std::uint16_t>& ids, std::uint16_t number) {
  return number < ids.size() ? ids[number] : kUnknown;
}

std::optional<Prefix> read_prefix(ByteReader& in) {
  const std::uint8_t family_number = in.u8();
  const std::uint8_t length = in.u8();
  const Family family = family_number == 4 ? Family::v4 : Family::v6;
  const auto address = Address::from_bytes(family, in.take((std::size_t{length} + 7) / 8));
  if (!in.ok() || (family_number != 4 && family_number != 6) || !address) return std::nullopt;
  if (length > address->width()) return std::nullopt;
  return Prefix(*address, length);
}

routing::Estimate read_estimate(ByteReader& in) {
  routing::Estimate estimate;
  estimate.min = read_micros(in);
  estimate.p50 = read_micros(in);
  estimate.p90 = read_micros(in);
  estimate.jitter = read_micros(in);
  estimate.at = read_instant(in);
  estimate.samples = in.u32();
  estimate.loss_permille = in.u16();
  const auto last = static_cast<std::uint8_t>(routing::Method::beacon);
  estimate.method = static_cast<routing::Method>(std::min(in.u8(), last));
  return estimate;
}

std::optional<routing::PrefixState> read_prefix_state(ByteReader& in,
                                                      const std::vector<std::uint16_t>& sites,
                                                      const std::vector<std::uint16_t>& services) {
  const auto prefix = read_prefix(in);
  if (!prefix) return std::nullopt;
  routing::PrefixState state;
  state.prefix = *prefix;
  state.version = in.u64();
  for (std::size_t left = in.u16(); left > 0 && in.ok(); --left) {
    const std::uint16_t site = id_at(sites, in.u16());
    const routing::Estimate estimate = read_estimate(in);
    if (site != kUnknown) state.set(routing::SiteId(site), estimate);
  }
  for (std::size_t left = in.u16(); left > 0 && in.ok(); --left) {
    const std::uint16_t service = id_at(services, in.u16());
    const std::uint16_t site = id_at(sites, in.u16());
    if (service != kUnknown && site != kUnknown) {
      state.prefer(routing::ServiceId(service), routing::SiteId(site));
    }
  }
  return state;
}

void read_health(ByteReader& in, NodeState& state) {
  const auto status = [&in] {
    const auto last = static_cast<std::uint8_t>(event::HealthStatus::draining);
    return static_cast<event::HealthStatus>(std::min(in.u8(), last));
  };
  for (std::size_t left = in.u16(); left > 0 && in.ok(); --left) {
    SiteHealth& site = state.health[read_text(in)];
    site.collector = status();
    site.operators = status();
  }
}

// Which sites services had last: their bits are numbers into the file's names.
void read_last_good(ByteReader& in, const std::vector<std::uint16_t>& sites,
                    const std::vector<std::uint16_t>& services, const routing::Topology& topology,
                    NodeState& state) {
  const std::size_t count = in.u16();
  if (count > 0) state.last_good.resize(topology.services.size());
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    const std::uint64_t bits = in.u64();
    const std::uint16_t service = id_at(services, static_cast<std::uint16_t>(i));
    for (std::uint16_t site = 0; service != kUnknown && site < 64; ++site) {
      const std::uint16_t id = id_at(sites, site);
      if ((bits >> site & 1) == 0 || id == kUnknown) continue;
      state.last_good[service] |= routing::site_bit(routing::SiteId(id));
    }
  }
}

// Called with how many octets of a file have been read, now and then.
using Progress = std::function<void(std::size_t)>;
constexpr std::size_t kProgressOctets = std::size_t{1} << 20;

std::uint32_t sum_of(Bytes payload, const Progress& progress) {
  std::uint32_t sum = 0;
  for (std::size_t at = 0; at < payload.size();) {
    const Bytes piece = payload.subspan(at, std::min(kProgressOctets, payload.size() - at));
    sum = crc32c(piece, sum);
    at += piece.size();
    progress(kHead + at);
  }
  return sum;
}

Result<NodeState> decode_payload(Bytes payload, const routing::Topology& topology,
                                 const Progress& progress) {
  ByteReader in(payload);
  NodeState state;
  state.state_position.log_id = read_text(in);
  state.state_position.position = in.u64();
  state.health_position.log_id = read_text(in);
  state.health_position.position = in.u64();
  state.newest = read_instant(in);
  std::size_t known_sites = 0;
  std::size_t known_services = 0;
  const auto sites = read_names(in, known_sites,
                                [&](const std::string& name) { return topology.find_site(name); });
  const auto services = read_names(
      in, known_services, [&](const std::string& name) { return topology.find_service(name); });
  read_health(in, state);
  std::size_t told = payload.size() - in.remaining();
  for (std::uint32_t left = in.u32(); left > 0 && in.ok(); --left) {
    auto prefix = read_prefix_state(in, sites, services);
    if (!prefix) return fail(Errc::invalid, "a prefix is broken");
    state.performance.put(*prefix);
    const std::size_t done = payload.size() - in.remaining();
    if (done - told < kProgressOctets) continue;
    told = done;
    progress(kHead + done);
  }
  if (in.ok() && in.remaining() > 0) read_last_good(in, sites, services, topology, state);
  if (!in.ok() || in.remaining() > 0) return fail(Errc::invalid, "its length is wrong inside");
  if (known_sites < topology.sites.size() || known_services < topology.services.size()) {
    state.change_topology(topology, topology);  // what the new names missed is read again
  }
  return state;
}

Result<NodeState> decode(Bytes file, const routing::Topology& topology, const Progress& progress) {
  ByteReader in(file);
  const Bytes magic = in.take(kMagic.size());
  if (!std::equal(magic.begin(), magic.end(), kMagic.begin(), kMagic.end())) {
    return fail(Errc::invalid, "not a snapshot of this version");
  }
  const std::uint64_t size = in.u64();
  const std::uint32_t sum = in.u32();
  if (!in.ok() || size != in.remaining()) return fail(Errc::invalid, "its length is wrong");
  const Bytes payload = file.subspan(kHead);
  if (sum_of(payload, progress) != sum) return fail(Errc::invalid, "its checksum is wrong");
  return decode_payload(payload, topology, progress);
}

}  // namespace

std::vector<std::uint8_t> encode_snapshot(const NodeState& state,
                                          const routing::Topology& topology) {
  Encoder out;
  out.text(state.state_position.log_id);
  out.number(state.state_position.position, 8);
  out.text(state.health_position.log_id);
  out.number(state.health_position.position, 8);
  out.instant(state.newest);
  out.u16(topology.sites.size());
  for (const routing::Site& site : topology.sites) out.text(site.name);
  out.u16(topology.services.size());
  for (const routing::Service& service : topology.services) out.text(service.name);
  out.u16(state.health.size());
  for (const auto& [site, health] : state.health) {
    out.text(site);
    out.number(static_cast<std::uint64_t>(health.collector), 1);
    out.number(static_cast<std::uint64_t>(health.operators), 1);
  }
  out.number(state.performance.size(), 4);
  state.performance.for_each(
      [&out](const routing::PrefixState& prefix) { encode_prefix(out, prefix); });
  out.u16(state.last_good.size());
  for (const routing::SiteMask sites : state.last_good) out.number(sites, 8);
  return out.finish();
}

Result<NodeState> decode_snapshot(Bytes file, const routing::Topology& topology) {
  return decode(file, topology, [](std::size_t) {});
}

Result<void> write_snapshot(const std::filesystem::path& file, Bytes bytes) {
  const std::string temporary = file.string() + ".new";
  const Fd out(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  if (!out) return fail_errno("cannot create " + temporary, errno);
  while (!bytes.empty()) {
    const ssize_t count = ::write(out.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("cannot write " + temporary, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  if (fsync(out.get()) != 0) return fail_errno("cannot sync " + temporary, errno);
  if (std::rename(temporary.c_str(), file.c_str()) != 0) {
    return fail_errno("cannot rename to " + file.string(), errno);
  }
  const Fd folder(open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || fsync(folder.get()) != 0) {
    return fail_errno("cannot sync folder of " + file.string(), errno);
  }
  return {};
}

NodeState load_snapshot(const std::filesystem::path& file, const routing::Topology& topology) {
  const auto mapped = MappedFile::open(file);
  if (!mapped) return {};
  auto state = decode(mapped->bytes(), topology,
                      [&mapped](std::size_t done) { mapped->forget_before(done); });
  if (state) return std::move(*state);
  const std::string aside = file.string() + ".broken";
  std::error_code ignored;  // when it cannot be moved, the next write replaces it
  std::filesystem::rename(file, aside, ignored);
  log_warning(fmt::format("snapshot is broken, starting without file={} reason=\"{}\" kept={}",
                          file.string(), state.error().text(), aside));
  return {};
}

}  // namespace isochrone::dns
