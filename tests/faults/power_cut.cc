// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/power_cut.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/support/preload.h"

namespace isochrone::test {
namespace {

constexpr std::uint64_t kPage = 4'096;

std::string inode_of(const std::filesystem::path& path) {
  struct stat about {};
  EXPECT_EQ(::stat(path.c_str(), &about), 0) << path;
  return std::to_string(about.st_ino);
}

}  // namespace

PowerCut::PowerCut(std::filesystem::path folder, std::filesystem::path keep)
    : folder_(std::move(folder)), keep_(std::move(keep)) {
  std::filesystem::create_directory(keep_);
}

void PowerCut::prepare(bool believes) const {
  ::setenv("ISOCHRONE_POWER_ROOT", folder_.c_str(), 1);
  ::setenv("ISOCHRONE_POWER_KEEP", keep_.c_str(), 1);
  if (!believes) ::setenv("ISOCHRONE_POWER_NO_SYNC", "1", 1);
  preload(ISOCHRONE_POWER_CUT_SHIM);
}

PowerCut::Journal PowerCut::read_journal() const {
  Journal journal;
  std::ifstream in(keep_ / "journal");
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string what, a, b, c, d;
    words >> what >> a >> b >> c >> d;
    if (what == "C" || what == "M") journal.changes.push_back({{}, Place{b, c}, a});
    if (what == "R") journal.changes.push_back({Place{a, b}, Place{c, d}});
    if (what == "U") journal.changes.push_back({Place{a, b}, {}});
    if (what == "S") journal.synced[a] = std::stoull(b);
    EXPECT_NE(what, "O") << "a part that was synced is written anew; that is not modelled";
    if (what != "D") continue;
    // A folder's changes go to the disk in their order, and those of others before them too.
    for (std::size_t i = journal.durable; i < journal.changes.size(); ++i) {
      const Change& change = journal.changes[i];
      if ((change.gone && change.gone->first == a) || (change.made && change.made->first == a)) {
        journal.durable = i + 1;
      }
    }
  }
  return journal;
}

std::uint64_t PowerCut::cut(Unsynced unsynced, Random& random) const {
  const Journal journal = read_journal();
  std::size_t count = journal.durable;
  if (unsynced == Unsynced::torn) count += random.below(journal.changes.size() - count + 1);
  Names names;
  for (std::size_t i = 0; i < count; ++i) {
    const Change& change = journal.changes[i];
    Inode inode = change.inode;
    if (change.gone) {
      auto& folder = names[change.gone->first];
      if (inode.empty()) inode = folder[change.gone->second];
      folder.erase(change.gone->second);
    }
    if (change.made) names[change.made->first][change.made->second] = inode;
  }
  const Inode root = inode_of(folder_);
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    std::filesystem::remove_all(entry.path());
  }
  rebuild(folder_, root, names);
  std::uint64_t lost = 0;
  for (const auto& entry : std::filesystem::directory_iterator(keep_)) {
    const Inode inode = entry.path().filename();
    if (inode == "journal") continue;
    if (entry.hard_link_count() == 1) {
      std::filesystem::remove(entry.path());
      continue;
    }
    const auto known = journal.synced.find(inode);
    lost += cut_file(inode, known == journal.synced.end() ? 0 : known->second, unsynced, random);
  }
  write_base();
  return lost;
}

void PowerCut::rebuild(const std::filesystem::path& folder, const Inode& inode,
                       const Names& names) const {
  const auto here = names.find(inode);
  if (here == names.end()) return;
  for (const auto& [name, of] : here->second) {
    if (std::filesystem::exists(keep_ / of)) {
      std::filesystem::create_hard_link(keep_ / of, folder / name);
    } else {
      std::filesystem::create_directory(folder / name);
      rebuild(folder / name, of, names);
    }
  }
}

std::uint64_t PowerCut::cut_file(const Inode& inode, std::uint64_t synced, Unsynced unsynced,
                                 Random& random) const {
  const auto path = keep_ / inode;
  const std::uint64_t size = std::filesystem::file_size(path);
  if (size <= synced) return 0;
  const bool is_torn = unsynced == Unsynced::torn;
  const std::uint64_t end = is_torn ? synced + random.below(size - synced + 1) : synced;
  std::filesystem::resize_file(path, end);
  if (!is_torn || random.below(2) == 0) return size - end;
  // The size came to the disk, some of the pages did not.
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  std::uint64_t lost = size - end;
  for (std::uint64_t at = synced; at < end;) {
    const std::uint64_t next = std::min(end, (at / kPage + 1) * kPage);
    if (random.below(2) == 0) {
      file.seekp(static_cast<std::streamoff>(at));
      file << std::string(next - at, '\0');
      lost += next - at;
    }
    at = next;
  }
  return lost;
}

// What there is now is the disk that the next life begins with.
void PowerCut::write_base() const {
  std::ofstream out(keep_ / "journal", std::ios::trunc);
  std::set<std::string> folders{inode_of(folder_)};
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_)) {
    const std::string inode = inode_of(entry.path());
    const std::string folder = inode_of(entry.path().parent_path());
    const bool is_folder = entry.is_directory();
    out << (is_folder ? "M " : "C ") << inode << ' ' << folder << ' '
        << entry.path().filename().string() << '\n';
    if (is_folder) folders.insert(inode);
    if (!is_folder) out << "S " << inode << ' ' << entry.file_size() << '\n';
  }
  for (const std::string& folder : folders) out << "D " << folder << '\n';
}

}  // namespace isochrone::test
