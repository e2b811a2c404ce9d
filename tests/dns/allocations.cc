// SPDX-License-Identifier: Apache-2.0
#include "tests/dns/allocations.h"

#include <cstdlib>
#include <new>

namespace {
thread_local std::size_t count = 0;

void* allocate(std::size_t size) {
  ++count;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}
}  // namespace

// The array and nothrow forms of the library end in these.
void* operator new(std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace isochrone::dns::testing {

std::size_t allocations() noexcept { return count; }

}  // namespace isochrone::dns::testing
