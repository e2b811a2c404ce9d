// SPDX-License-Identifier: Apache-2.0
//
// SourceCache: the source address the kernel takes towards a destination, asked again now and then.
//
// Methods that sum their own checksums need it. Asking costs three system calls, so what it said is
// kept for kLife: a route that changes is followed as soon, and probes meanwhile are merely lost.
// Threads:   a value of the prober's loop.
// Cost:      one look at a direct-mapped table of kSlots entries, 64 bytes each.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/ip.h"
#include "base/time.h"

namespace isochrone::prober {

class SourceCache {
 public:
  static constexpr Seconds kLife{10};
  static constexpr std::size_t kSlots = 4096;

  // Those configured answer for their family without asking.
  void configure(std::vector<Address> sources) { configured_ = std::move(sources); }
  std::optional<Address> configured(Family family) const noexcept;
  // Nothing, with errno set, when the kernel knows no way.
  std::optional<Address> towards(const Address& destination, Monotonic now) noexcept;

 private:
  struct Entry {
    Address destination;
    Address source;
    Monotonic until{};
  };
  std::vector<Address> configured_;
  std::vector<Entry> entries_;
};

}  // namespace isochrone::prober
