// SPDX-License-Identifier: Apache-2.0
//
// TransferPolicy: who may have which zone, who is told of changes, and where secondary zones come from.
//
// Default: nobody. A rule without a key trusts an address; one with a key wants both.
// Threads: constant; part of each snapshot.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/ip.h"
#include "dns/journal.h"
#include "dns/transfer_options.h"
#include "dns/tsig.h"

namespace isochrone::dns {

struct ZoneTransfer {
  TransferOptions options;
  std::shared_ptr<const Journal> journal;  // null: no changes are known
};

struct TransferPolicy {
  std::vector<TsigKey> keys;
  std::map<std::vector<std::uint8_t>, ZoneTransfer> zones;  // by apex, folded wire form
  unsigned max_transfers = 10;                              // at once, of one worker

  // Null when there is none. By wire form for messages, by text for the configuration's names.
  const TsigKey* key(Bytes name) const {
    for (const TsigKey& one : keys) {
      if (std::equal(one.wire.begin(), one.wire.end(), name.begin(), name.end())) return &one;
    }
    return nullptr;
  }
  const TsigKey* key(const std::string& name) const {
    for (const TsigKey& one : keys) {
      if (one.name == name) return &one;
    }
    return nullptr;
  }
  const ZoneTransfer* zone(Bytes apex) const {
    const auto found = zones.find({apex.begin(), apex.end()});
    return found == zones.end() ? nullptr : &found->second;
  }
};

// Whether a request from `sender`, signed with `key` (null: unsigned), is allowed.
inline bool allows(const TransferOptions& options, const Address& sender, const TsigKey* key) {
  for (const TransferRule& rule : options.allow) {
    const bool has_key = rule.key.empty() || (key != nullptr && key->name == rule.key);
    if (has_key && rule.prefix.contains(sender)) return true;
  }
  return false;
}
// Whether a NOTIFY may come from there: from a primary, with its key when it has one.
inline bool is_primary(const TransferOptions& options, const Address& sender, const TsigKey* key) {
  for (const TransferPeer& peer : options.primaries) {
    const bool has_key = peer.key.empty() || (key != nullptr && key->name == peer.key);
    if (has_key && peer.endpoint.address == sender) return true;
  }
  return false;
}

}  // namespace isochrone::dns
