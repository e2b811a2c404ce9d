// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a write-ahead log; and records that are framed as RocksDB does it are found whole, torn
// or not, and all of them but those of one block of the file when a bit of it is flipped.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/crc32c.h"
#include "collector/wal_salvage.h"

using namespace isochrone;

namespace {

constexpr std::size_t kBlock = 32 * 1024;
constexpr std::size_t kHead = 7;

void require(bool condition) {
  if (!condition) std::abort();
}

void put_little_endian(std::string& out, std::uint32_t value, std::size_t octets) {
  for (std::size_t i = 0; i < octets; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

class File {
 public:
  // One record in as many pieces as it needs: full 1, first 2, middle 3, last 4.
  void add(std::string_view record) {
    bool is_first = true;
    do {
      const std::size_t left = kBlock - bytes_.size() % kBlock;
      if (left < kHead) {
        bytes_.append(left, '\0');
        continue;
      }
      const std::string_view piece = record.substr(0, left - kHead);
      record.remove_prefix(piece.size());
      const bool is_last = record.empty();
      add_piece(piece, is_first ? (is_last ? 1 : 2) : (is_last ? 4 : 3));
      is_first = false;
    } while (!record.empty());
  }
  std::string& bytes() { return bytes_; }
  // What lies in the blocks from one to before another.
  std::string pieces(std::size_t from, std::size_t to) const {
    std::string all;
    for (std::size_t i = from; i < std::min(to, pieces_.size()); ++i) all += pieces_[i];
    return all;
  }
  std::string pieces() const { return pieces(0, pieces_.size()); }

 private:
  void add_piece(std::string_view piece, int type) {
    pieces_.resize(bytes_.size() / kBlock + 1);
    pieces_.back() += piece;
    const std::string summed = static_cast<char>(type) + std::string(piece);
    const std::uint32_t sum =
        crc32c({reinterpret_cast<const std::uint8_t*>(summed.data()), summed.size()});
    put_little_endian(bytes_, ((sum >> 15) | (sum << 17)) + 0xa282'ead8U, 4);
    put_little_endian(bytes_, static_cast<std::uint32_t>(piece.size()), 2);
    bytes_ += summed;
  }

  std::string bytes_;
  std::vector<std::string> pieces_;  // by block
};

// Records of the octets of the input, each so often that some are longer than a block. They are turned over: a
// log inside of a record would be taken for pieces of this one.
File framed(std::string_view input) {
  File file;
  while (!input.empty() && file.bytes().size() < 4 * kBlock) {
    const std::size_t times = static_cast<unsigned char>(input.front());
    input.remove_prefix(1);
    const std::string_view part = input.substr(0, 1 + times % 61);
    input.remove_prefix(part.size());
    std::string record;
    // None is empty: that would end what is read of a block.
    for (std::size_t i = 0; i < 1 + times * 4; ++i) record += part.empty() ? "x" : part;
    for (char& octet : record) octet = static_cast<char>(~octet);
    file.add(record);
  }
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 5) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  require(collector::wal_pieces(input).bytes.size() <= size);

  const std::size_t where = data[0] | std::size_t{data[1]} << 8 | std::size_t{data[2]} << 16;
  File file = framed(input.substr(3));
  const std::string all = file.pieces();
  const collector::Pieces whole = collector::wal_pieces(file.bytes());
  require(whole.bytes == all && !whole.is_damaged && !whole.is_torn);

  const std::size_t at = where % file.bytes().size();
  const collector::Pieces torn = collector::wal_pieces({file.bytes().data(), at});
  require(!torn.is_damaged && all.starts_with(torn.bytes));

  file.bytes()[at] ^= static_cast<char>(1U << (where % 8));
  const std::string hit = collector::wal_pieces(file.bytes()).bytes;
  require(hit.starts_with(file.pieces(0, at / kBlock)));
  require(hit.ends_with(file.pieces(at / kBlock + 1, all.size())));
  return 0;
}
