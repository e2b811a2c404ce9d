// SPDX-License-Identifier: Apache-2.0
#include "dns/rrset.h"

#include <algorithm>
#include <limits>

#include "dns/wire.h"

namespace isochrone::dns {
namespace {

// Where compressible names stand in a type's data: how many octets before them, and how many names.
struct NameLayout {
  std::size_t before = 0;
  std::size_t names = 0;
};

NameLayout layout_of(std::uint16_t record_type) {
  switch (record_type) {
    case type::ns:
    case type::cname:
    case type::ptr:
      return {0, 1};
    case type::mx:
      return {2, 1};
    case type::soa:
      return {0, 2};
    default:
      return {};
  }
}

class Compiler {
 public:
  Compiler(std::vector<std::uint8_t>& out, Bytes origin)
      : out_(out), start_(out.size()), origin_(origin) {}

  void record(std::uint16_t record_type, std::uint32_t ttl, Bytes data) {
    u16(kPointerTag | kQuestionName);
    u16(record_type);
    u16(kClassIn);
    u16(static_cast<std::uint16_t>(ttl >> 16));
    u16(static_cast<std::uint16_t>(ttl));
    const std::size_t length_at = out_.size();
    u16(0);
    const NameLayout layout = layout_of(record_type);
    const std::size_t before = std::min(layout.before, data.size());
    put(data.first(before));
    data = data.subspan(before);
    for (std::size_t i = 0; i < layout.names; ++i) data = name(data);
    put(data);
    const std::size_t length = out_.size() - length_at - 2;
    out_[length_at] = static_cast<std::uint8_t>(length >> 8);
    out_[length_at + 1] = static_cast<std::uint8_t>(length);
  }

  const std::vector<std::uint16_t>& patches() const { return patches_; }

 private:
  void u16(unsigned value) {
    out_.push_back(static_cast<std::uint8_t>(value >> 8));
    out_.push_back(static_cast<std::uint8_t>(value));
  }
  void put(Bytes bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }

  // Writes the name at the front of `data`, its end as an apex pointer when it lies in the zone.
  Bytes name(Bytes data) {
    const auto size = name_size(data);
    if (!size) return data;  // not a name: kept as it is
    Name folded;
    folded.assign(data);
    if (origin_.size() > 1 && folded.is_within(origin_)) {
      put(data.first(*size - origin_.size()));
      patches_.push_back(static_cast<std::uint16_t>(out_.size() - start_));
      u16(kPointerTag);
    } else {
      put(data.first(*size));
    }
    return data.subspan(*size);
  }

  std::vector<std::uint8_t>& out_;
  std::size_t start_;
  Bytes origin_;
  std::vector<std::uint16_t> patches_;
};

}  // namespace

bool read_target(Bytes wire, std::size_t at, Bytes origin, Name& name) noexcept {
  std::size_t end = at;
  while (end < wire.size() && wire[end] != 0 && wire[end] < 0xc0) end += wire[end] + std::size_t{1};
  if (end >= wire.size()) return false;
  const Bytes labels = wire.subspan(at, end - at);
  return wire[end] == 0 ? name.assign(labels, wire.subspan(end, 1)) : name.assign(labels, origin);
}

std::vector<std::vector<std::uint8_t>> uncompressed(const Rrset& set, Bytes origin) {
  std::vector<std::vector<std::uint8_t>> records;
  std::size_t next_patch = 0;
  for (std::size_t at = 0; at < set.wire.size();) {
    const std::size_t end = at + kRecordHead + set.data_octets(at);
    std::vector<std::uint8_t> data;
    for (std::size_t from = at + kRecordHead; from < end;) {
      std::uint16_t patch = 0;
      const bool has_patch = next_patch < set.patches.size();
      if (has_patch) std::memcpy(&patch, set.patches.data() + next_patch, 2);
      const std::size_t to = has_patch ? std::min<std::size_t>(patch, end) : end;
      const Bytes plain = set.wire.subspan(from, to - from);
      data.insert(data.end(), plain.begin(), plain.end());
      from = to;
      if (from == end) break;
      data.insert(data.end(), origin.begin(), origin.end());
      from += 2;
      next_patch += 2;
    }
    records.push_back(std::move(data));
    at = end;
  }
  return records;
}

std::optional<RrsetArena::Handle> RrsetArena::add(std::uint16_t record_type, std::uint32_t ttl,
                                                  std::span<const Bytes> data, Bytes origin) {
  const std::size_t start = bytes_.size();
  Compiler compiler(bytes_, origin);
  for (const Bytes& one : data) compiler.record(record_type, ttl, one);
  const std::size_t octets = bytes_.size() - start;
  // A message has its header and the question besides the set.
  if (octets > kMaxMessage - kMinUdpPayload ||
      start > std::numeric_limits<std::uint32_t>::max() - kMaxMessage * 2) {
    bytes_.resize(start);
    return std::nullopt;
  }
  const auto& patches = compiler.patches();
  for (const std::uint16_t patch : patches) {
    std::uint8_t raw[2];
    std::memcpy(raw, &patch, 2);
    bytes_.insert(bytes_.end(), raw, raw + 2);
  }
  return Handle{static_cast<std::uint32_t>(start), static_cast<std::uint16_t>(octets), record_type,
                static_cast<std::uint16_t>(data.size()),
                static_cast<std::uint16_t>(patches.size())};
}

}  // namespace isochrone::dns
