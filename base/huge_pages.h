// SPDX-License-Identifier: Apache-2.0
//
// use_huge_pages: memory that is read here and there, in pages of 2 MiB.
//
// A look-up in tens of megabytes of 4 KiB pages misses the TLB with nearly every line it reads, and waits for
// the page's address besides the data.
//
// Cost:     copies what is there once, some 20 ms for 100 MB; the memory taken stays the same: only whole
//           huge pages inside are changed.
// Failures: a system that does not want to (transparent_hugepage=never, Linux before 6.1) leaves all as it
//           is: slower.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace isochrone {

void use_huge_pages(std::span<const std::byte> memory) noexcept;

template <class T>
void use_huge_pages(const std::vector<T>& values) noexcept {
  use_huge_pages(std::as_bytes(std::span(values)));
}

}  // namespace isochrone
