// SPDX-License-Identifier: Apache-2.0
//
// PrefixArena: one block of memory for the nodes of a prefix table, in which nothing ever moves.
//
// Nodes name each other by their place in the block, in units of 16 bytes. A block that is full is
// copied into a larger one, places unchanged; tables that still read the old one keep it alive.
//
// Threads:    of the one thread that writes; a Block is read by any number, where nobody writes.
// Cost:       allocate() is a look at free places of that very size, else the next unused place;
//             growing copies the block. Large blocks ask for huge pages, so that look-ups at random
//             places do not wait for address translation as well.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace isochrone::routing {

struct alignas(16) PrefixUnit {
  std::byte bytes[16];
};

class PrefixArena {
 public:
  class Block {
   public:
    explicit Block(std::size_t units);
    PrefixUnit* units() const noexcept { return units_.get(); }
    std::size_t size() const noexcept { return size_; }

   private:
    struct Free {
      void operator()(PrefixUnit* units) const;
    };
    std::unique_ptr<PrefixUnit[], Free> units_;
    std::size_t size_;
  };

  // The largest node: a cell group of 256 entries.
  static constexpr std::size_t kMaxNodeUnits = 68;

  explicit PrefixArena(std::size_t units = 256);

  std::uint32_t allocate(std::size_t units);
  // The place may be given away at once: nobody reads it any more.
  void free(std::uint32_t place, std::size_t units);
  // Raised whenever the block was replaced: what only older tables read is free in the new one.
  std::uint64_t moves() const noexcept { return moves_; }

  // Valid until the next allocate().
  PrefixUnit* at(std::uint32_t place) { return block_->units() + place; }
  const PrefixUnit* at(std::uint32_t place) const { return block_->units() + place; }
  const std::shared_ptr<const Block>& block() const noexcept { return shared_; }

  // Gives back what was not used, but for a part to grow in.
  void shrink(double room);

 private:
  void move_to(std::size_t units);

  std::shared_ptr<Block> block_;
  std::shared_ptr<const Block> shared_;
  std::size_t used_ = 0;
  std::uint64_t moves_ = 0;
  std::array<std::vector<std::uint32_t>, kMaxNodeUnits + 1> free_;  // by size in units
};

}  // namespace isochrone::routing
