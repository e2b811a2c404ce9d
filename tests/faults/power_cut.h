// SPDX-License-Identifier: Apache-2.0
//
// PowerCut: a folder whose files lose what was not synced, as a disk's do when its power is cut.
//
// A program that was started with prepare() writes down what it syncs (power_cut_shim.cc). Once it is
// dead, cut() makes the folder what a disk would hold: of every file what was synced, of every folder
// the names that were. What is more than that is all gone (lost), or some of it is there: names up to
// some moment, of a file a part, or pages of it and not those before them (torn).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"

namespace isochrone::test {

class PowerCut {
 public:
  enum class Unsynced : std::uint8_t { lost, torn };

  // `folder` exists and is empty; `keep` is made, on the same file system.
  PowerCut(std::filesystem::path folder, std::filesystem::path keep);

  // In the child, before the program. With `believes` false no sync counts.
  void prepare(bool believes = true) const;
  // After the program's death. Returns how many octets of files are gone.
  std::uint64_t cut(Unsynced unsynced, Random& random) const;

 private:
  using Inode = std::string;                    // its number
  using Place = std::pair<Inode, std::string>;  // folder, name
  struct Change {
    std::optional<Place> gone;
    std::optional<Place> made;
    Inode inode{};  // of what was made; that of what is gone when empty
  };
  struct Journal {
    std::vector<Change> changes;
    std::size_t durable = 0;  // so many of them are on the disk
    std::map<Inode, std::uint64_t> synced;
  };
  using Names = std::map<Inode, std::map<std::string, Inode>>;  // by folder

  Journal read_journal() const;
  void rebuild(const std::filesystem::path& folder, const Inode& inode, const Names& names) const;
  std::uint64_t cut_file(const Inode& inode, std::uint64_t synced, Unsynced unsynced,
                         Random& random) const;
  void write_base() const;

  std::filesystem::path folder_;
  std::filesystem::path keep_;
};

}  // namespace isochrone::test
