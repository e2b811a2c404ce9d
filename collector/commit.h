// SPDX-License-Identifier: Apache-2.0
//
// Commit: one append to a log that collectors share, as messages carry it.
//
// Format:  numbers are big-endian. A commit is u64 arrival (Unix ns) · u32 count and per event u32 length, Protobuf ·
//          u32 count and per note u32 length, key, u32 length, bytes · u32 count and per restated state
//          u64 position, u32 length, Protobuf · u64 first position kept, per channel (0: as it was).
//          It goes in parts, one message each: octet 1 (the version) · u32 CRC-32C of all that follows ·
//          u64 commit · u32 part, from 0 · u32 parts · u64 position the commit begins at, per channel ·
//          a piece of the commit. It counts when all its parts follow each other; what is cut off is
//          as if it had never been.
// Limits:  kMaxCommitBytes, kMaxParts; every event and note is within its own.
// Threads: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "collector/event_log.h"

namespace isochrone::collector {

// Four of the largest bodies that are taken by default; a larger append is refused as a whole.
constexpr std::size_t kMaxCommitBytes = 64 << 20;
constexpr std::uint32_t kMaxParts = 4'096;

struct Commit {
  std::uint64_t id = 0;  // random
  Instant arrival{};
  Firsts next{};  // the position its first event has, or would have, in each channel
  std::vector<event::Event> events;
  std::vector<Note> notes;
  std::vector<StoredBytes> states;  // newest ones of their prefixes, said before
  Firsts trim{};
};

// At most `max_bytes` each.
std::vector<std::string> to_parts(const Commit& commit, std::size_t max_bytes);

// One message of a commit that is in pieces.
std::string frame_part(std::uint64_t commit, std::uint32_t part, std::uint32_t parts,
                       const Firsts& next, std::string_view piece);

// One message, taken apart as far as its frame.
struct Part {
  std::uint64_t commit = 0;
  std::uint32_t part = 0;
  std::uint32_t parts = 0;
  Firsts next{};
  std::string_view piece;
};
Result<Part> read_part(std::string_view message);

// Puts parts together again, in the order of the log.
class Assembly {
 public:
  // A commit when this message completes one. An Error for a message that is none, or completes what is
  // none: it is as if it were not there.
  Result<std::optional<Commit>> add(std::string_view message);
  // Parts that wait for more.
  std::uint32_t waiting() const noexcept { return seen_; }

 private:
  std::uint64_t commit_ = 0;
  std::uint32_t seen_ = 0;
  std::string bytes_;
};

}  // namespace isochrone::collector
