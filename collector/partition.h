// SPDX-License-Identifier: Apache-2.0
//
// Partition: which prefixes are reduced together, and the open windows of those that are reduced here.
//
// A prefix lies in the partition of the block around it (IPv4 /16, IPv6 /32), so a network, what covers
// it and what it splits into stay together. The number is part of the log: it never changes. What is no
// prefix's (targets, verdicts on sites, retention) is the common partition's.
//
// Of a log that is nobody else's all are reduced here. They still close one after the other, so that posts need not
// wait until a window of all networks is folded. Only where rows are laid over many networks (rows.h) there is one.
//
// Threads:  one thread.
// Cost:     a partition is found in constant time; closing visits the partitions that are reduced here.
#pragma once

#include <bitset>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/window.h"

namespace isochrone::collector {

using Partition = std::size_t;
// A collector takes some of these, so a dozen collectors still have about the same to do.
constexpr std::size_t kPartitions = 16;
constexpr Partition kCommon = kPartitions;
using Parts = std::bitset<kPartitions + 1>;

Partition partition_of(const Prefix& prefix);

class PartitionedWindows {
 public:
  PartitionedWindows(Millis length, Millis lateness, bool is_divided);

  // From now on the log has other writers, and no partition is reduced here until take().
  void share();
  void take(Partition partition);
  // Drops what is open of it.
  void leave(Partition partition);
  const Parts& mine() const noexcept { return mine_; }
  bool is_divided() const noexcept { return windows_.size() > 1; }
  // Where a prefix's samples go, divided or not.
  Partition of(const Prefix& prefix) const { return is_divided() ? partition_of(prefix) : 0; }
  bool is_mine(const Prefix& prefix) const { return mine_[of(prefix)]; }
  // What the log calls the mark of progress of a partition.
  std::string note(Partition partition) const;
  // Such a mark: until when it is closed, from where the log has to be read again (`next` where nothing is
  // open), and what it has learnt.
  std::string progress(Partition partition, event::Position next) const;
  // Takes one up and gives from where to read; 0 when it is none.
  event::Position restore(Partition partition, std::string_view mark);
  std::optional<Partition> of_note(std::string_view key) const;

  // As OpenWindows. What is of another's partition is left to it: nothing.
  std::optional<OpenWindows::Added> add(const Path& path, const Sample& sample,
                                        event::Position position);
  std::vector<ClosedWindow> close(Instant now);
  // Of one partition in turn; has_due() says whether another one waits.
  std::vector<ClosedWindow> close_next(Instant now);
  bool has_due(Instant now) const noexcept;
  std::vector<ClosedWindow> close_all();
  void forget_the_future(Instant now) noexcept;
  void renumber(const std::function<std::optional<routing::SiteId>(routing::SiteId)>& new_id);
  Instant closed_until() const noexcept;  // the latest of mine
  std::size_t open_windows() const noexcept;
  std::size_t open_samples() const noexcept;

  const MethodBias& bias() const;  // of the first of mine; of the first, when there is none
  // Of the partition that a prefix lies in. Valid as long as this is.
  routing::PersistenceOf persistence() const;
  OpenWindows& at(Partition partition) { return windows_[partition]; }
  const OpenWindows& at(Partition partition) const { return windows_[partition]; }

 private:
  template <class Close>
  std::vector<ClosedWindow> close_each(Close close);

  Millis length_;
  Millis lateness_;
  Parts mine_;
  std::vector<OpenWindows> windows_;  // by Partition; one where nothing is divided
  Partition turn_ = 0;
};

}  // namespace isochrone::collector
