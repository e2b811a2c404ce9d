// SPDX-License-Identifier: Apache-2.0
#include "dns/journal.h"

#include <algorithm>
#include <string>
#include <utility>

namespace isochrone::dns {
namespace {

// The records of `from` whose fingerprints are not among `known`, which is sorted.
void add_missing(const VersionRecords& from, const std::vector<Fingerprint>& known,
                 PackedRecords& to) {
  from.each([&](const ZoneRecord& record) {
    if (!std::binary_search(known.begin(), known.end(), fingerprint(record))) to.add(record);
  });
}

std::vector<Fingerprint> fingerprints_of(const VersionRecords& version) {
  std::vector<Fingerprint> all;
  version.each([&](const ZoneRecord& record) { all.push_back(fingerprint(record)); });
  std::sort(all.begin(), all.end());
  return all;
}

// One octet more in a running hash: FNV-1a, from two starts and with two odd factors.
void hash(Fingerprint& sum, std::uint8_t octet) {
  sum.first = (sum.first ^ octet) * 0x0000'0100'0000'01b3;
  sum.second = (sum.second ^ octet) * 0x9e37'79b9'7f4a'7c15;
  sum.second ^= sum.second >> 29;  // this factor alone leaves the low bits to the low bits
}

}  // namespace

Fingerprint fingerprint(const ZoneRecord& record) {
  Fingerprint sum{0xcbf2'9ce4'8422'2325, 0x2545'f491'4f6c'dd1d};
  for (const std::uint8_t octet : record.owner) hash(sum, octet);
  for (int shift = 40; shift >= 0; shift -= 8) {
    hash(sum, static_cast<std::uint8_t>((std::uint64_t{record.type} << 32 | record.ttl) >> shift));
  }
  for (const std::uint8_t octet : record.data) hash(sum, octet);
  return sum;
}

void PackedRecords::add(const ZoneRecord& record) {
  const auto number = [this](std::uint64_t value, int octets) {
    for (int i = octets; i-- > 0;) bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  };
  bytes_.insert(bytes_.end(), record.owner.begin(), record.owner.end());
  number(record.type, 2);
  number(record.ttl, 4);
  number(record.data.size(), 2);
  bytes_.insert(bytes_.end(), record.data.begin(), record.data.end());
}

bool PackedRecords::next(std::size_t& at, ZoneRecord& record) const {
  if (at >= bytes_.size()) return false;
  ByteReader in(Bytes(bytes_).subspan(at));
  record.owner = in.take(name_size(Bytes(bytes_).subspan(at)).value_or(0));
  record.type = in.u16();
  record.ttl = in.u32();
  record.data = in.take(in.u16());
  at += in.position();
  return in.ok();
}

VersionRecords records_of(const ZoneVersion& version) {
  VersionRecords records;
  records.serial = version.serial();
  ZoneWalk walk(version);
  records.soa.add(walk.soa());
  records.each = [zone = &version.zone, zones = &version.zones, topology = &version.topology,
                  signatures = version.signatures](const VersionRecords::Visit& visit) {
    ZoneWalk all({*zones, *topology, *zone, signatures});
    for (ZoneRecord record; all.next(record);) visit(record);
  };
  return records;
}

Difference difference(const VersionRecords& before, const VersionRecords& after) {
  Difference step{before.serial, after.serial, before.soa, after.soa};
  add_missing(before, fingerprints_of(after), step.removed);
  add_missing(after, fingerprints_of(before), step.added);
  return step;
}

bool is_empty(const Difference& step) {
  const Bytes was = step.removed.bytes();
  const Bytes is = step.added.bytes();
  std::size_t at = 0;
  ZoneRecord soa;
  return step.removed.next(at, soa) && at == was.size() &&
         std::equal(was.begin(), was.end(), is.begin(), is.end());
}

Journal Journal::extended(std::shared_ptr<const Difference> step) const {
  Journal next;
  if (!steps_.empty() && steps_.back()->to == step->from) next.steps_ = steps_;
  next.steps_.push_back(std::move(step));
  std::size_t octets = 0;
  auto first = next.steps_.end();
  while (first != next.steps_.begin()) {
    octets += (*std::prev(first))->octets();
    if (octets > kMaxJournalOctets) break;
    --first;
  }
  next.steps_.erase(next.steps_.begin(), first);
  return next;
}

Journal::Steps Journal::since(std::uint32_t serial) const {
  const auto first = std::find_if(steps_.begin(), steps_.end(),
                                  [serial](const auto& step) { return step->from == serial; });
  return {first, steps_.end()};
}

}  // namespace isochrone::dns
