// SPDX-License-Identifier: Apache-2.0
#include "collector/wal_salvage.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "collector/event_block.h"

namespace isochrone::collector {
namespace {

constexpr std::size_t kBlock = 32 * 1024;
constexpr std::size_t kHead = 4 + 2 + 1;

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = bytes.size(); i > 0; --i) {
    value = value << 8 | static_cast<unsigned char>(bytes[i - 1]);
  }
  return value;
}

// Sums of data that holds sums are poor: they are stored turned and moved.
std::uint32_t masked(std::uint32_t sum) { return ((sum >> 15) | (sum << 17)) + 0xa282'ead8U; }

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

std::string wal_pieces(std::string_view file, bool& is_damaged) {
  std::string pieces;
  std::size_t at = 0;
  while (at + kHead <= file.size()) {
    const std::size_t left = kBlock - at % kBlock;
    const std::string_view head = file.substr(at, kHead);
    const std::size_t size = left < kHead ? 0 : little_endian(head.substr(4, 2));
    // The end of a block is too short for a piece, or was reserved and not written.
    if (left < kHead || (size == 0 && head[6] == 0)) {
      at += left;
      continue;
    }
    if (kHead + size <= left && at + kHead + size > file.size()) break;
    const std::string_view summed = file.substr(at + kHead - 1, 1 + size);
    const auto* data = reinterpret_cast<const std::uint8_t*>(summed.data());
    const bool is_whole = kHead + size <= left &&
                          masked(crc32c({data, summed.size()})) == little_endian(head.substr(0, 4));
    if (!is_whole) {
      // It may be its size that is wrong: where the next piece begins is known only of the next
      // block, and the rest of this one is taken as it is.
      is_damaged = true;
      pieces += file.substr(at, left);
      at += left;
      continue;
    }
    pieces += summed.substr(1);
    at += kHead + size;
  }
  return pieces;
}

Salvaged salvage_wals(const std::filesystem::path& folder) {
  Salvaged salvaged;
  std::vector<std::filesystem::path> files;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".log") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& path : files) {
    bool is_damaged = false;
    const std::string pieces = wal_pieces(contents(path), is_damaged);
    if (!is_damaged) continue;
    salvaged.is_damaged = true;
    for (std::size_t i = 0; i < event::kChannels; ++i) {
      BlockReader reader(pieces, static_cast<event::Channel>(i));
      while (reader.next()) {
        salvaged.events[i].push_back({reader.position(), std::string(reader.event())});
      }
    }
  }
  return salvaged;
}

}  // namespace isochrone::collector
