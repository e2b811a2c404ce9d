// SPDX-License-Identifier: Apache-2.0
//
// SignedZones: the signatures of all signed zones of a ZoneSet, at one moment: made here, or those that a
// zone came with.
//
// Threads:   immutable once made; published in the snapshot together with the zones.
// Ownership: keeps the zones it was made from, so it can never be asked about others by mistake.
// Failures:  a zone whose keys cannot be read is signed with the keys it had; one that cannot be signed
//            keeps its signatures, as long as it is the same zone. Every error is told.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "dns/signatures.h"
#include "dns/zone_set.h"

namespace isochrone::dns {

struct ZonePolicy {
  std::string zone;  // lower case, no trailing dot
  SigningPolicy policy;
};

class SignedZones {
 public:
  struct Made {
    std::shared_ptr<const SignedZones> zones;  // never null
    std::vector<Error> errors;
    std::vector<std::string> warnings;
  };
  // Reads the keys and signs. Signatures of `before`, which may be null, are kept where they serve.
  static Made sign(std::shared_ptr<const ZoneSet> zones, const std::vector<ZonePolicy>& policies,
                   Instant now, const SignedZones* before);

  // Null when the zone is not signed.
  const Signatures* of(const Zone* zone) const noexcept;

  // When something has to be signed again or a key changes its state.
  std::optional<Instant> next_change() const noexcept { return next_change_; }
  struct Entry {
    const Zone* zone = nullptr;
    std::shared_ptr<const Signatures> signatures;
    std::vector<SigningKey> keys;
  };
  const std::shared_ptr<const ZoneSet>& zones() const noexcept { return zones_; }
  const std::vector<Entry>& entries() const noexcept { return entries_; }

 private:
  struct Signing;

  std::shared_ptr<const ZoneSet> zones_;
  std::vector<Entry> entries_;  // sorted by address
  std::optional<Instant> next_change_;
};

// Checks what sign() would refuse, without signing.
std::vector<Error> check_keys(const ZoneSet& zones, const std::vector<ZonePolicy>& policies,
                              Instant now);

}  // namespace isochrone::dns
