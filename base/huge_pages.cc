// SPDX-License-Identifier: Apache-2.0
#include "base/huge_pages.h"

#include <sys/mman.h>

#include <cstdint>

namespace isochrone {
namespace {

constexpr std::uintptr_t kHugePage = std::uintptr_t{2} << 20;
// Linux 6.1; the C library's headers of Debian 12 do not have it.
constexpr int kMadvCollapse = 25;

}  // namespace

void use_huge_pages(std::span<const std::byte> memory) noexcept {
  const auto begin = reinterpret_cast<std::uintptr_t>(memory.data());
  const std::uintptr_t first = (begin + kHugePage - 1) / kHugePage * kHugePage;
  const std::uintptr_t end = (begin + memory.size()) / kHugePage * kHugePage;
  if (first >= end) return;
  // The contents stay as they are.
  auto* at = const_cast<std::byte*>(memory.data()) + (first - begin);
  madvise(at, end - first, MADV_HUGEPAGE);
  madvise(at, end - first, kMadvCollapse);
}

}  // namespace isochrone
