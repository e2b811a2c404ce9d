// SPDX-License-Identifier: Apache-2.0
//
// LogIndex: what a block of events adds to the indexes of the embedded log, and their keys.
//
// One entry per block and distinct source, epoch and task, and a filter of the block's prefixes:
// an index costs a hundredth of a key per event when probers post rounds of thousands.
//
// Format:  numbers are big-endian, so that keys sort
//   block key   channel (1), last position (8)
//   block info  first, arrival, earliest, latest (Unix ns), octets (8 each), prefix filter
//   id key      source, 0, epoch (8), highest sequence (8), block key      -> lowest sequence (8)
//   task key    task, 0, block key                                         -> nothing
//   prefix key  family (1), address (16), length (1)
// Threads: values.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "event/event.h"

namespace isochrone::collector {

void put_u64(std::string& out, std::uint64_t value);
std::uint64_t get_u64(std::string_view bytes);  // of the first eight octets; missing ones are 0

constexpr std::size_t kBlockKeyBytes = 9;
std::string block_key(event::Channel channel, event::Position last);
std::string id_key(std::string_view source, std::uint64_t epoch);  // without sequence and block
std::string task_key(std::string_view task);                       // without block
std::string prefix_key(const Prefix& prefix);

struct BlockInfo {
  event::Position first = 0;
  Instant arrival{};
  Instant earliest{};  // of the events' times
  Instant latest{};
  std::uint64_t bytes = 0;
  std::string filter;

  std::string encode() const;
  // Nothing when these octets are none.
  static std::optional<BlockInfo> decode(std::string_view bytes);
  // False only when no event of the block is about this prefix; true in vain about once in 100.
  bool may_have(const Prefix& prefix) const;
};

// Collects while a block is filled.
class LogIndex {
 public:
  void add(const event::Event& event);

  struct Run {
    std::string source;
    std::uint64_t epoch;
    std::uint64_t lowest;
    std::uint64_t highest;
  };
  const std::vector<Run>& runs() const noexcept { return runs_; }
  const std::set<std::string, std::less<>>& tasks() const noexcept { return tasks_; }
  BlockInfo info(event::Position first, Instant arrival, std::size_t bytes) const;

 private:
  std::vector<Run> runs_;
  std::size_t run_ = 0;  // the last one that was added to
  std::set<std::string, std::less<>> tasks_;
  std::string_view task_;                // the last one that was added
  std::vector<std::uint64_t> prefixes_;  // hashes
  Instant earliest_ = Instant::max();
  Instant latest_ = Instant::min();
};

}  // namespace isochrone::collector
