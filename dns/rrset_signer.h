// SPDX-License-Identifier: Apache-2.0
//
// RrsetSigner: RRSIG records for the sets of one zone, taken over from before where they still serve.
//
// Times:     a signature begins an hour ago, for validators whose clock is behind, and ends after the
//            policy's lifetime less a share that depends on its content, so that signatures made
//            together do not fall due together.
// Cost:      about 30 us for a signature that is made, one for one that is kept (bench_sign).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "dns/canonical.h"
#include "dns/sign_key.h"
#include "dns/signatures.h"
#include "dns/signing_policy.h"

namespace isochrone::dns {

// For validators whose clock is behind ours.
constexpr Seconds kInceptionOffset{3'600};

// One set to be signed: owner in folded wire form, data without compression.
struct SetToSign {
  Bytes owner;
  std::uint16_t type = 0;
  std::uint32_t ttl = 0;
  std::vector<RecordData> data;
};

class RrsetSigner {
 public:
  // Signs into `to`, whose arena takes the RRSIGs. `keys` are all that are published; `before` may be
  // null. All outlive this.
  RrsetSigner(Bytes zone, std::span<const SigningKey> keys, const SigningPolicy& policy,
              Instant now, const Signatures* before, Signatures& to);

  // The set and its RRSIGs, both in the arena.
  Result<SignedSet> add(const SetToSign& set);
  Result<RrsetArena::Handle> sign(const SetToSign& set);
  // What signs later what cannot be signed ahead; null when several keys would have to.
  std::shared_ptr<const OnlineKey> online_key() const;

  // A signature with less left than this is made anew.
  static Instant renewal(const SigningPolicy& policy, Instant now) { return now + policy.refresh; }

 private:
  using Digest = std::array<std::uint8_t, 16>;
  using Signers = std::vector<const SigningKey*>;

  const Signers& signers_of(std::uint16_t type) const;
  Digest digest_of(Bytes content, const Signers& signers) const;
  std::optional<Rrset> kept(const Digest& digest) const;
  std::uint32_t expiration_for(const Digest& digest) const;
  Result<std::vector<RecordData>> make(const SetToSign& set, Bytes content, const Digest& digest,
                                       const Signers& signers) const;

  Bytes zone_;
  const SigningPolicy& policy_;
  std::uint32_t now_;  // Unix seconds, as RRSIG has them
  const Signatures* before_;
  Signatures& to_;
  Signers key_signers_;   // of DNSKEY, CDS and CDNSKEY
  Signers data_signers_;  // of everything else
};

}  // namespace isochrone::dns
