// SPDX-License-Identifier: Apache-2.0
#include "collector/dedup.h"

#include <algorithm>
#include <utility>

namespace isochrone::collector {
namespace {

// Numbers of a record are eight bytes, most significant first.
void put_u64(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

class RecordReader {
 public:
  explicit RecordReader(std::string_view bytes) : bytes_(bytes) {}
  std::uint64_t u64() {
    if (bytes_.size() < 8) {
      ok_ = false;
      bytes_ = {};
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(bytes_[i]);
    bytes_.remove_prefix(8);
    return value;
  }
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace

Seen Dedup::check(const event::EventId& id, Instant now) {
  auto found = sources_.find(id.source);
  if (found == sources_.end()) {
    if (sources_.size() >= kMaxSources && !make_room(now)) return Seen::too_many_sources;
    remember(id.source, nullptr);
    found = sources_.emplace(id.source, Source{}).first;
  } else {
    remember(id.source, &found->second);
  }
  found->second.last_seen = std::max(found->second.last_seen, now);
  Epoch* epoch = find_epoch(found->second, id.epoch);
  return epoch != nullptr && mark(*epoch, id.sequence) ? Seen::first_time : Seen::duplicate;
}

Dedup::Epoch* Dedup::find_epoch(Source& source, std::uint64_t start) {
  auto& epochs = source.epochs;
  auto at = std::lower_bound(epochs.begin(), epochs.end(), start,
                             [](const Epoch& e, std::uint64_t s) { return e.start < s; });
  if (at != epochs.end() && at->start == start) return &*at;
  if (epochs.size() >= kEpochsKept) {
    if (at == epochs.begin()) return nullptr;  // older than every life that is kept
    const auto index = at - epochs.begin() - 1;
    epochs.erase(epochs.begin());
    at = epochs.begin() + index;
  }
  return &*epochs.insert(at, Epoch{start, 0, {}});
}

bool Dedup::mark(Epoch& epoch, std::uint64_t sequence) {
  if (sequence > epoch.high) {
    if (sequence > epoch.high + 1) epoch.missing.push_back({epoch.high + 1, sequence - 1});
    if (epoch.missing.size() > kMaxGaps) epoch.missing.erase(epoch.missing.begin());
    epoch.high = sequence;
    return true;
  }
  auto& missing = epoch.missing;
  const auto gap = std::lower_bound(missing.begin(), missing.end(), sequence,
                                    [](const Gap& g, std::uint64_t s) { return g.last < s; });
  if (gap == missing.end() || gap->first > sequence) return false;
  if (gap->first == gap->last) {
    missing.erase(gap);
  } else if (gap->first == sequence) {
    ++gap->first;
  } else if (gap->last == sequence) {
    --gap->last;
  } else {
    const Gap upper{sequence + 1, gap->last};
    gap->last = sequence - 1;
    missing.insert(gap + 1, upper);
    if (missing.size() > kMaxGaps) missing.erase(missing.begin());
  }
  return true;
}

bool Dedup::make_room(Instant now) {
  for (auto it = sources_.begin(); it != sources_.end();) {
    if (it->second.last_seen + retention_ >= now) {
      ++it;
      continue;
    }
    remember(it->first, &it->second);
    it = sources_.erase(it);
  }
  return sources_.size() < kMaxSources;
}

void Dedup::remember(const std::string& name, const Source* before) {
  if (before_.contains(name)) return;
  before_.emplace(name, before != nullptr ? *before : Source{});
}

std::vector<Dedup::Record> Dedup::changes() const {
  std::vector<Record> records;
  records.reserve(before_.size());
  for (const auto& [name, unused] : before_) {
    const auto found = sources_.find(name);
    records.push_back({name, found == sources_.end() ? std::string() : encode(found->second)});
  }
  return records;
}

void Dedup::commit() { before_.clear(); }

void Dedup::rollback() {
  for (auto& [name, source] : before_) {
    if (source.epochs.empty()) {
      sources_.erase(name);
    } else {
      sources_[name] = std::move(source);
    }
  }
  before_.clear();
}

std::string Dedup::encode(const Source& source) {
  std::string out;
  put_u64(out, static_cast<std::uint64_t>(unix_nanos(source.last_seen)));
  put_u64(out, source.epochs.size());
  for (const Epoch& epoch : source.epochs) {
    put_u64(out, epoch.start);
    put_u64(out, epoch.high);
    put_u64(out, epoch.missing.size());
    for (const Gap& gap : epoch.missing) {
      put_u64(out, gap.first);
      put_u64(out, gap.last);
    }
  }
  return out;
}

bool Dedup::restore(std::string_view name, std::string_view bytes) {
  if (bytes.empty()) return sources_.erase(std::string(name)) > 0;
  RecordReader reader(bytes);
  Source source;
  source.last_seen = from_unix_nanos(static_cast<std::int64_t>(reader.u64()));
  const std::uint64_t epochs = reader.u64();
  if (epochs == 0 || epochs > kEpochsKept) return false;
  for (std::uint64_t e = 0; e < epochs && reader.ok(); ++e) {
    Epoch epoch{reader.u64(), reader.u64(), {}};
    const std::uint64_t gaps = reader.u64();
    if (gaps > kMaxGaps) return false;
    for (std::uint64_t g = 0; g < gaps && reader.ok(); ++g) {
      const std::uint64_t first = reader.u64();
      epoch.missing.push_back({first, reader.u64()});
    }
    source.epochs.push_back(std::move(epoch));
  }
  if (!reader.at_end()) return false;
  sources_.insert_or_assign(std::string(name), std::move(source));
  return true;
}

std::size_t Dedup::gaps() const noexcept {
  std::size_t count = 0;
  for (const auto& [name, source] : sources_) {
    for (const Epoch& epoch : source.epochs) count += epoch.missing.size();
  }
  return count;
}

}  // namespace isochrone::collector
