// SPDX-License-Identifier: Apache-2.0
//
// PackedState: what PerformanceState knows, for a node that only follows it: prefixes in order, packed into
// octets, and beside them what has changed since they were packed.
//
// Threads:    a value of the thread that follows the state.
// Cost:       about 10 octets for a prefix and 16 for a path. find() is a binary search over blocks and a
//             walk in one; apply() a look-up in the changes, and now and then packs all anew: that
//             happens when they are a sixteenth of the whole, so the average stays constant.
// Invariant:  a change hides what is packed for its prefix; blocks are sorted by prefix and not empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "routing/state.h"

namespace isochrone::routing {

class PackedState {
 public:
  // False when the version is not newer than what is known: late or repeated.
  bool apply(PrefixState next);
  // Whatever the version. Prefixes in order, as for_each() gives them, are packed at once.
  void put(const PrefixState& next);
  bool erase(const Prefix& prefix);

  // A copy, as it is unpacked.
  std::optional<PrefixState> find(const Prefix& prefix) const;
  std::size_t size() const { return size_; }
  // Every prefix, in order; the reference holds for the call.
  void for_each(const std::function<void(const PrefixState&)>& visit) const;
  // Likewise those inside a prefix, itself included. Cost: of find(), and of what lies there.
  void for_each_inside(const Prefix& around,
                       const std::function<void(const PrefixState&)>& visit) const;

  std::size_t memory_bytes() const;

 private:
  // Records of some kBlockOctets, one after the other.
  struct Block {
    Prefix first;
    std::vector<std::uint8_t> octets;
  };

  std::optional<PrefixState> find_packed(const Prefix& prefix) const;
  std::vector<Block>::const_iterator block_of(const Prefix& prefix) const;
  bool append(const PrefixState& next);
  void change(PrefixState next);
  void pack();

  std::vector<Block> blocks_;
  Prefix last_;                                           // of the blocks
  std::map<Prefix, std::optional<PrefixState>> changes_;  // nothing: erased
  std::size_t size_ = 0;
};

}  // namespace isochrone::routing
