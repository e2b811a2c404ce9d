// SPDX-License-Identifier: Apache-2.0
#include "routing/prefix_arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace isochrone::routing {
namespace {

constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;
constexpr std::size_t kLineBytes = 64;
constexpr std::size_t kLineUnits = kLineBytes / sizeof(PrefixUnit);

PrefixUnit* allocate_units(std::size_t units) {
  const std::size_t bytes = units * sizeof(PrefixUnit);
  const bool is_large = bytes >= kHugePageBytes;
  const std::size_t alignment = is_large ? kHugePageBytes : kLineBytes;
  const std::size_t whole = (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, whole);
  if (memory == nullptr) throw std::bad_alloc();
  // Advice: where it is not taken, the table is as it would be without.
  if (is_large) madvise(memory, whole, MADV_HUGEPAGE);
  return static_cast<PrefixUnit*>(memory);
}

}  // namespace

PrefixArena::Block::Block(std::size_t units) : units_(allocate_units(units)), size_(units) {}

void PrefixArena::Block::Free::operator()(PrefixUnit* units) const { std::free(units); }

PrefixArena::PrefixArena(std::size_t units)
    : block_(std::make_shared<Block>(units)), shared_(block_) {}

std::uint32_t PrefixArena::allocate(std::size_t units) {
  for (std::size_t size = units; size <= kMaxNodeUnits; ++size) {
    // A larger free place is cut only when there is no more unused room.
    if (size > units && used_ + units + kLineUnits <= block_->size()) break;
    if (free_[size].empty()) continue;
    const std::uint32_t place = free_[size].back();
    free_[size].pop_back();
    if (size > units) free(place + static_cast<std::uint32_t>(units), size - units);
    return place;
  }
  // What does not fit one cache line begins one; the places left out are for lone cells.
  const std::size_t gap = units >= kLineUnits ? (0 - used_) % kLineUnits : 0;
  const std::size_t needed = used_ + gap + units;
  if (needed > block_->size()) move_to(block_->size() + block_->size() / 2 + units + gap);
  for (std::size_t i = 0; i < gap; ++i) free(static_cast<std::uint32_t>(used_ + i), 1);
  used_ += gap;
  const auto place = static_cast<std::uint32_t>(used_);
  used_ += units;
  return place;
}

void PrefixArena::free(std::uint32_t place, std::size_t units) { free_[units].push_back(place); }

void PrefixArena::shrink(double room) {
  const auto wanted = used_ + static_cast<std::size_t>(static_cast<double>(used_) * room) + 1;
  if (wanted < block_->size()) move_to(wanted);
}

void PrefixArena::move_to(std::size_t units) {
  auto larger = std::make_shared<Block>(units);
  std::memcpy(larger->units(), block_->units(), used_ * sizeof(PrefixUnit));
  block_ = std::move(larger);
  shared_ = block_;
  ++moves_;
}

}  // namespace isochrone::routing
