// SPDX-License-Identifier: Apache-2.0
#include "collector/log_index.h"

#include <algorithm>

#include "base/hash.h"
#include "event/subject.h"

namespace isochrone::collector {
namespace {

constexpr std::size_t kInfoBytes = 5 * 8;
// A Bloom filter of 10 bits and 5 probes per key passes 1 % of what it does not hold.
constexpr std::size_t kFilterBits = 10;
constexpr int kFilterProbes = 5;

std::uint64_t hash_of(const Prefix& prefix) {
  const Address& address = prefix.address();
  return hash_bits(hash_bits(address.high(), address.low()),
                   static_cast<std::uint64_t>(prefix.length()) << 1 | (address.is_v4() ? 0 : 1));
}

// Calls `take` with every bit of this key in a filter of so many bits, until it returns false.
template <class Take>
bool each_bit(std::uint64_t hash, std::size_t bits, Take take) {
  const std::uint64_t step = (hash >> 32) | 1;
  for (int i = 0; i < kFilterProbes; ++i, hash += step) {
    if (!take(static_cast<std::size_t>(hash % bits))) return false;
  }
  return true;
}

std::string make_filter(std::vector<std::uint64_t> hashes) {
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  if (hashes.empty()) return {};
  std::string filter((hashes.size() * kFilterBits + 7) / 8, '\0');
  for (const std::uint64_t hash : hashes) {
    each_bit(hash, 8 * filter.size(), [&](std::size_t bit) {
      filter[bit / 8] = static_cast<char>(filter[bit / 8] | (1 << (bit % 8)));
      return true;
    });
  }
  return filter;
}

std::uint64_t nanos(Instant time) { return static_cast<std::uint64_t>(unix_nanos(time)); }
Instant instant(std::string_view bytes) {
  return from_unix_nanos(static_cast<std::int64_t>(get_u64(bytes)));
}

}  // namespace

void put_u64(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

std::uint64_t get_u64(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    value = value << 8 | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U);
  }
  return value;
}

std::string block_key(event::Channel channel, event::Position last) {
  std::string key(1, static_cast<char>(channel));
  put_u64(key, last);
  return key;
}

std::string id_key(std::string_view source, std::uint64_t epoch) {
  std::string key(source);
  key.push_back('\0');
  put_u64(key, epoch);
  return key;
}

std::string task_key(std::string_view task) {
  std::string key(task);
  key.push_back('\0');
  return key;
}

std::string prefix_key(const Prefix& prefix) {
  std::string key(1, prefix.family() == Family::v4 ? '4' : '6');
  put_u64(key, prefix.address().high());
  put_u64(key, prefix.address().low());
  key.push_back(static_cast<char>(prefix.length()));
  return key;
}

std::string BlockInfo::encode() const {
  std::string out;
  out.reserve(kInfoBytes + filter.size());
  put_u64(out, first);
  put_u64(out, nanos(arrival));
  put_u64(out, nanos(earliest));
  put_u64(out, nanos(latest));
  put_u64(out, bytes);
  return out + filter;
}

std::optional<BlockInfo> BlockInfo::decode(std::string_view bytes) {
  if (bytes.size() < kInfoBytes) return std::nullopt;
  BlockInfo info;
  info.first = get_u64(bytes);
  info.arrival = instant(bytes.substr(8));
  info.earliest = instant(bytes.substr(16));
  info.latest = instant(bytes.substr(24));
  info.bytes = get_u64(bytes.substr(32));
  info.filter = bytes.substr(kInfoBytes);
  return info;
}

bool BlockInfo::may_have(const Prefix& prefix) const {
  if (filter.empty()) return false;
  return each_bit(hash_of(prefix), 8 * filter.size(), [&](std::size_t bit) {
    return (static_cast<unsigned char>(filter[bit / 8]) >> (bit % 8) & 1U) != 0;
  });
}

void LogIndex::add(const event::Event& event) {
  earliest_ = std::min(earliest_, event.time);
  latest_ = std::max(latest_, event.time);
  if (const auto prefix = event::subject_of(event).prefix) prefixes_.push_back(hash_of(*prefix));
  if (!event.task.empty() && event.task != task_) task_ = *tasks_.insert(event.task).first;
  const event::EventId& id = event.id;
  const auto is_of = [&](const Run& run) {
    return run.epoch == id.epoch && run.source == id.source;
  };
  if (run_ >= runs_.size() || !is_of(runs_[run_])) {
    const auto found = std::find_if(runs_.begin(), runs_.end(), is_of);
    run_ = static_cast<std::size_t>(found - runs_.begin());
    if (found == runs_.end()) runs_.push_back({id.source, id.epoch, id.sequence, id.sequence});
  }
  Run& run = runs_[run_];
  run.lowest = std::min(run.lowest, id.sequence);
  run.highest = std::max(run.highest, id.sequence);
}

BlockInfo LogIndex::info(event::Position first, Instant arrival, std::size_t bytes) const {
  return {first, arrival, earliest_, latest_, bytes, make_filter(prefixes_)};
}

}  // namespace isochrone::collector
