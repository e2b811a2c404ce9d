// SPDX-License-Identifier: Apache-2.0
//
// ZoneHistory: the versions of one zone that secondaries may have, in memory and on disk.
//
// Order:    a version is on disk before it is served, so no serial is ever given to two contents.
// Failures: a disk that does not take it is told once; increments go on from memory.
// Threads:  belongs to one.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "dns/journal.h"
#include "dns/journal_store.h"

namespace isochrone::dns {

class ZoneHistory {
 public:
  // `file` empty: in memory only.
  ZoneHistory(std::string zone, const std::filesystem::path& file)
      : zone_(std::move(zone)), has_file_(!file.empty()), store_(file) {}

  // The first version of this run: finds what leads to it from the versions on disk.
  void begin(const ZoneVersion& now);
  // `now` takes the place of `before`.
  void extend(const ZoneVersion& before, const ZoneVersion& now);

  // Null: no changes are known.
  const std::shared_ptr<const Journal>& journal() const noexcept { return journal_; }

 private:
  void start_anew(const VersionRecords& now);
  void take(Difference step, const VersionRecords& now);
  void note(const Result<void>& written);

  std::string zone_;
  bool has_file_;
  JournalStore store_;
  std::shared_ptr<const Journal> journal_;
  bool has_failed_ = false;
};

}  // namespace isochrone::dns
