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
constexpr std::size_t kType = 4 + 2;
constexpr char kFull = 1;
constexpr char kLast =
    4;  // types above are of files that are used again or compressed: none of ours

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

std::size_t size_of(std::string_view piece) { return little_endian(piece.substr(4, 2)); }

// Its sum is that of its type and its octets, when it has so many.
bool is_whole(std::string_view piece, std::size_t size) {
  const std::string_view summed = piece.substr(kType, 1 + size);
  const auto* data = reinterpret_cast<const std::uint8_t*>(summed.data());
  return masked(crc32c({data, summed.size()})) == little_endian(piece.substr(0, 4));
}

// Whether what a size leads past the end of the file is nevertheless all there: the size is wrong then, by a
// bit, and nothing was torn off. The piece itself ends the file, or whole ones follow it.
bool is_all_there(std::string_view rest) {
  if (is_whole(rest, rest.size() - kHead)) return true;
  for (std::size_t at = 1; at + kHead < rest.size(); ++at) {
    const std::string_view piece = rest.substr(at);
    const std::size_t size = size_of(piece);
    const bool may_be = piece[kType] >= kFull && piece[kType] <= kLast && size > 0;
    if (may_be && kHead + size <= piece.size() && is_whole(piece, size)) return true;
  }
  return false;
}

std::vector<std::filesystem::path> wals(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".log") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Pieces read_file(const std::filesystem::path& path) { return wal_pieces(contents(path)); }

// The library waits for ever at a piece of another file, as it believes, and goes past one of no type.
void make_typeless(const std::filesystem::path& path, const std::vector<std::size_t>& pieces) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  for (const std::size_t at : pieces) {
    file.seekp(static_cast<std::streamoff>(at + kType));
    file.put(0);
  }
}

}  // namespace

Pieces wal_pieces(std::string_view file) {
  Pieces found;
  std::size_t at = 0;
  while (at + kHead <= file.size()) {
    const std::size_t left = kBlock - at % kBlock;
    const std::string_view rest = file.substr(at, left);
    const std::size_t size = left < kHead ? 0 : size_of(rest);
    // The end of a block is too short for a piece, or was reserved and not written.
    if (left < kHead || (size == 0 && rest[kType] == 0)) {
      at += left;
      continue;
    }
    const bool is_past_end = kHead + size <= left && kHead + size > rest.size();
    if (is_past_end && !is_all_there(rest)) break;
    if (is_past_end || kHead + size > left || !is_whole(rest, size)) {
      // It may be its size that is wrong: where the next piece begins is known only of the next
      // block, and the rest of this one is taken as it is.
      found.is_damaged = true;
      if (static_cast<std::uint8_t>(rest[kType]) > kLast) found.of_others.push_back(at);
      found.bytes += rest;
      at += left;
      continue;
    }
    found.bytes += rest.substr(kHead, size);
    at += kHead + size;
  }
  found.is_torn = at < file.size();
  return found;
}

bool is_manifest_whole(const std::filesystem::path& folder) {
  std::string name = contents(folder / "CURRENT");
  if (!name.starts_with("MANIFEST-") || name.back() != '\n') return true;
  name.pop_back();
  const Pieces pieces = read_file(folder / name);
  return !pieces.is_damaged && !pieces.is_torn;
}

std::optional<std::filesystem::path> blocking_wal(const std::filesystem::path& folder) {
  for (const auto& path : wals(folder)) {
    if (!read_file(path).of_others.empty()) return path;
  }
  return std::nullopt;
}

Salvaged salvage_wals(const std::filesystem::path& folder) {
  Salvaged salvaged;
  for (const auto& path : wals(folder)) {
    const Pieces pieces = read_file(path);
    if (!pieces.is_damaged) continue;
    salvaged.is_damaged = true;
    if (!pieces.of_others.empty()) make_typeless(path, pieces.of_others);
    for (std::size_t i = 0; i < event::kChannels; ++i) {
      BlockReader reader(pieces.bytes, static_cast<event::Channel>(i));
      while (reader.next()) {
        salvaged.events[i].push_back({reader.position(), std::string(reader.event())});
      }
    }
  }
  return salvaged;
}

}  // namespace isochrone::collector
