// SPDX-License-Identifier: Apache-2.0
//
// A signed world, and a validator over ldns, which shares no code with the signer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dns/signed_zones.h"
#include "tests/app/scratch.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {

// When every signed test takes place: 2026-06-01T00:00:00Z.
inline constexpr Instant kNow = from_unix_nanos(1'780'272'000'000'000'000);

struct KeyFiles {
  std::string_view public_text;
  std::string_view private_text;
};
// Of example.com, made by ldns-keygen.
extern const KeyFiles kEcdsaKey;    // tag 28416
extern const KeyFiles kEd25519Key;  // tag 10967

// example.com of vocabulary.h, signed; example.net is not.
class SignedWorld {
 public:
  explicit SignedWorld(Denial denial = Denial::nsec, const KeyFiles& key = kEcdsaKey,
                       std::string zone = example_zone(),
                       routing::Topology topology = three_sites());

  Snapshot snapshot;
  SigningPolicy policy;
  app::Scratch folder;  // of the keys
  std::vector<std::string> warnings;

  // Signs again as of `now`, keeping what still serves.
  SignedZones::Made sign_again(Instant now) const;
  const Signatures& signatures() const;
  const Zone& zone() const { return snapshot.zones->zones().front(); }
};

// As a worker answers that has its share of signatures left: a compact denial is signed.
Heard ask_online(const SignedWorld& world, Question question);
Heard ask_signed(const SignedWorld& world, const std::string& name, const std::string& type = "A");

// What is wrong with a reply to a question with DO, as a validator that has the zone's keys sees it;
// empty when all is well: each set that must be signed is, each signature is right and in its time,
// and what is missing is denied.
std::string fault_of(const SignedWorld& world, const Heard& heard, const std::string& name,
                     const std::string& type = "A");

}  // namespace isochrone::dns::testing
