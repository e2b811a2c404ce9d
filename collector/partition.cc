// SPDX-License-Identifier: Apache-2.0
#include "collector/partition.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <tuple>

#include "base/bytes.h"
#include "base/random.h"

namespace isochrone::collector {
namespace {

constexpr int kBlockLengthV4 = 16;
constexpr int kBlockLengthV6 = 32;
constexpr std::size_t kMarkBytes = 16;

}  // namespace

Partition partition_of(const Prefix& prefix) {
  const bool is_v4 = prefix.family() == Family::v4;
  const Prefix block(prefix.address(), is_v4 ? kBlockLengthV4 : kBlockLengthV6);
  // The generator spreads what blocks have in common.
  Random spread(block.address().high() ^ (block.address().low() << 1) ^ (is_v4 ? 4U : 6U));
  return static_cast<Partition>(spread() % kPartitions);
}

PartitionedWindows::PartitionedWindows(Millis length, Millis lateness, bool is_divided)
    : length_(length),
      lateness_(lateness),
      windows_(is_divided ? kPartitions : 1, OpenWindows(length, lateness)) {
  mine_.set();
}

void PartitionedWindows::share() {
  mine_.reset();
  windows_.assign(kPartitions, OpenWindows(length_, lateness_));
}

void PartitionedWindows::take(Partition partition) { mine_.set(partition); }

void PartitionedWindows::leave(Partition partition) {
  mine_.reset(partition);
  if (partition < windows_.size()) windows_[partition] = OpenWindows(length_, lateness_);
}

std::string PartitionedWindows::note(Partition partition) const {
  return is_divided() ? fmt::format("progress/{:02}", partition) : "progress";
}

std::string PartitionedWindows::progress(Partition partition, event::Position next) const {
  const OpenWindows& open = windows_[partition];
  std::string mark(kMarkBytes, '\0');
  ByteWriter out({reinterpret_cast<std::uint8_t*>(mark.data()), mark.size()});
  out.u64(static_cast<std::uint64_t>(unix_nanos(open.closed_until())));
  out.u64(open.oldest_position().value_or(next));
  return mark + open.bias().to_bytes() + open.persistence().to_bytes();
}

event::Position PartitionedWindows::restore(Partition partition, std::string_view mark) {
  // Older versions wrote no persistence, and before that no bias.
  const auto learnt = mark.substr(std::min(mark.size(), kMarkBytes));
  const bool has_bias = learnt.size() >= MethodBias::kBytes;
  const auto lasts = learnt.substr(has_bias ? MethodBias::kBytes : 0);
  const bool is_known = learnt.empty() || (has_bias && lasts.empty()) ||
                        (has_bias && lasts.size() == routing::Persistence::kBytes);
  if (mark.size() < kMarkBytes || !is_known) return 0;
  OpenWindows& open = windows_[partition];
  open.bias().restore(learnt.substr(0, has_bias ? MethodBias::kBytes : 0));
  open.persistence().restore(lasts);
  ByteReader in({reinterpret_cast<const std::uint8_t*>(mark.data()), kMarkBytes});
  open.restore_closed_until(from_unix_nanos(static_cast<std::int64_t>(in.u64())));
  return in.u64();
}

std::optional<Partition> PartitionedWindows::of_note(std::string_view key) const {
  if (!key.starts_with("progress")) return std::nullopt;
  for (Partition i = 0; i < windows_.size(); ++i) {
    if (key == note(i)) return i;
  }
  return std::nullopt;
}

const MethodBias& PartitionedWindows::bias() const {
  for (Partition i = 0; i < windows_.size(); ++i) {
    if (mine_[i]) return windows_[i].bias();
  }
  return windows_.front().bias();
}

routing::PersistenceOf PartitionedWindows::persistence() const {
  return [this](const Prefix& prefix) -> const routing::Persistence& {
    return windows_[of(prefix)].persistence();
  };
}

std::optional<OpenWindows::Added> PartitionedWindows::add(const Path& path, const Sample& sample,
                                                          event::Position position) {
  const Partition partition = of(path.prefix);
  if (!mine_[partition]) return std::nullopt;
  return windows_[partition].add(path, sample, position);
}

// By window, then path, whatever the partitions are: the order that everything is folded in.
template <class Close>
std::vector<ClosedWindow> PartitionedWindows::close_each(Close close) {
  std::vector<ClosedWindow> all;
  for (std::size_t i = 0; i < windows_.size(); ++i) {
    if (!mine_[i]) continue;
    auto closed = close(windows_[i]);
    std::move(closed.begin(), closed.end(), std::back_inserter(all));
  }
  if (!is_divided()) return all;
  std::sort(all.begin(), all.end(), [](const ClosedWindow& a, const ClosedWindow& b) {
    return std::tie(a.end, a.path) < std::tie(b.end, b.path);
  });
  return all;
}

std::vector<ClosedWindow> PartitionedWindows::close(Instant now) {
  return close_each([now](OpenWindows& windows) { return windows.close(now); });
}

std::vector<ClosedWindow> PartitionedWindows::close_next(Instant now) {
  for (Partition i = 0; i < windows_.size(); ++i) {
    // What has nothing to close takes nothing older any more, now as well as in its turn.
    if (mine_[i] && !windows_[i].has_due(now)) windows_[i].close(now);
  }
  for (Partition i = 0; i < windows_.size(); ++i) {
    turn_ = (turn_ + 1) % windows_.size();
    if (mine_[turn_] && windows_[turn_].has_due(now)) return windows_[turn_].close(now);
  }
  return {};
}

bool PartitionedWindows::has_due(Instant now) const noexcept {
  for (Partition i = 0; i < windows_.size(); ++i) {
    if (mine_[i] && windows_[i].has_due(now)) return true;
  }
  return false;
}

std::vector<ClosedWindow> PartitionedWindows::close_all() {
  return close_each([](OpenWindows& windows) { return windows.close_all(); });
}

void PartitionedWindows::forget_the_future(Instant now) noexcept {
  for (OpenWindows& windows : windows_) windows.forget_the_future(now);
}

void PartitionedWindows::renumber(
    const std::function<std::optional<routing::SiteId>(routing::SiteId)>& new_id) {
  for (OpenWindows& windows : windows_) windows.renumber(new_id);
}

Instant PartitionedWindows::closed_until() const noexcept {
  Instant latest{};
  for (const OpenWindows& windows : windows_) latest = std::max(latest, windows.closed_until());
  return latest;
}

std::size_t PartitionedWindows::open_windows() const noexcept {
  return std::accumulate(
      windows_.begin(), windows_.end(), std::size_t{0},
      [](std::size_t sum, const OpenWindows& windows) { return sum + windows.open_windows(); });
}

std::size_t PartitionedWindows::open_samples() const noexcept {
  return std::accumulate(
      windows_.begin(), windows_.end(), std::size_t{0},
      [](std::size_t sum, const OpenWindows& windows) { return sum + windows.open_samples(); });
}

}  // namespace isochrone::collector
