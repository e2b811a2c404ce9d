// SPDX-License-Identifier: Apache-2.0
#include "dns/denial_chain.h"

#include <algorithm>

#include "dns/canonical.h"

namespace isochrone::dns {

void DenialChain::add(Bytes key, Bytes owner, SignedSet record) {
  entries_.push_back(
      {static_cast<std::uint32_t>(keys_.size()), static_cast<std::uint32_t>(owners_.size()),
       static_cast<std::uint16_t>(key.size()), static_cast<std::uint8_t>(owner.size()), record});
  keys_.insert(keys_.end(), key.begin(), key.end());
  owners_.insert(owners_.end(), owner.begin(), owner.end());
}

std::uint32_t DenialChain::covering(Bytes wanted) const noexcept {
  const auto after =
      std::upper_bound(entries_.begin(), entries_.end(), wanted,
                       [this](Bytes a, const Entry& b) { return compare_keys(a, key(b)) < 0; });
  // Before the first entry lies the interval of the last.
  const auto at = after == entries_.begin() ? entries_.end() : after;
  return static_cast<std::uint32_t>(at - entries_.begin()) - 1;
}

bool DenialChain::has_key(std::uint32_t entry, Bytes wanted) const noexcept {
  return compare_keys(key(entries_[entry]), wanted) == 0;
}

void DenialChain::shrink() {
  entries_.shrink_to_fit();
  keys_.shrink_to_fit();
  owners_.shrink_to_fit();
}

std::size_t DenialChain::memory_bytes() const noexcept {
  return entries_.capacity() * sizeof(Entry) + keys_.capacity() + owners_.capacity();
}

}  // namespace isochrone::dns
