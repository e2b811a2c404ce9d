// SPDX-License-Identifier: Apache-2.0
//
// JournalStore: the journal of one zone on disk, so that secondaries get increments after a restart.
//
// Format:   magic "ISOJRNL1", then frames: u8 kind, u64 octets, u32 CRC-32C of kind and payload,
//           payload; numbers big-endian. 'S', a step: u32 from, u32 to, u32 octets of the removed
//           records, these, the added ones. 'V', a whole version: u32 serial, u32 octets of its SOA,
//           this, all other records. Steps before the version lead to it, those behind lead on.
// Writing:  a step is appended and synced before its version is served; a whole file is written beside
//           and renamed. Killed at any moment, the file holds every version that was served.
// Reading:  what follows the first frame that is cut short or damaged is cut off.
// Limits:   the steps kept (kMaxJournalOctets), one version, and as much again behind it: then it is
//           written anew.
// Threads:  belongs to one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/journal.h"

namespace isochrone::dns {

// What a file holds.
struct StoredJournal {
  Journal journal;
  std::uint32_t version_serial = 0;
  PackedRecords soa;
  PackedRecords version;   // without its SOA
  Journal::Steps later;    // those behind the version
  std::size_t octets = 0;  // of the file that hold, from its start

  std::uint32_t serial() const { return later.empty() ? version_serial : later.back()->to; }
  // The newest version. This must outlive the result.
  VersionRecords newest() const;
};

std::filesystem::path journal_file(const std::filesystem::path& state_dir, std::string_view zone);
// Nothing when there is no version in it.
std::optional<StoredJournal> decode_journal(Bytes file);
std::optional<StoredJournal> read_journal(const std::filesystem::path& file);

class JournalStore {
 public:
  explicit JournalStore(std::filesystem::path file) : file_(std::move(file)) {}

  std::optional<StoredJournal> load();
  // After `load` or `rewrite`. What a failure leaves behind the last frame is not read, and goes with the
  // next append.
  Result<void> append(const Difference& step);
  Result<void> rewrite(const Journal& journal, const VersionRecords& newest);
  // Whether the next change should rewrite rather than append.
  bool is_long() const noexcept { return !is_usable_ || behind_ > std::max(kept_, kLeast); }

 private:
  static constexpr std::size_t kLeast = 1 << 20;

  std::filesystem::path file_;
  bool is_usable_ = false;  // appending makes sense
  std::size_t octets_ = 0;  // of the file
  std::size_t kept_ = 0;    // of them when it was rewritten
  std::size_t behind_ = 0;  // appended since
};

}  // namespace isochrone::dns
