// SPDX-License-Identifier: Apache-2.0
//
// Prover: the signed proofs that go with a denial, a wildcard's answer, or an unsigned referral.
//
// Which:   RFC 4035 section 3.1.3 for NSEC; RFC 5155 section 7.2 for NSEC3. Each record once.
// Cost:    at most three look-ups and copies; no allocation.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "dns/name.h"
#include "dns/response.h"
#include "dns/signatures.h"
#include "dns/zone.h"

namespace isochrone::dns {

class Prover {
 public:
  // What the response has already: an answer of several names may rest on one record twice.
  struct Added {
    std::array<const std::uint8_t*, 24> records;  // at most an expansion per name, and a denial
    std::size_t count = 0;
  };

  // `name` stands at `owner` in the response, the zone's apex at `apex`.
  Prover(Response& response, const Zone& zone, const Signatures& signatures, const Name& name,
         std::size_t owner, std::size_t apex, Added& added) noexcept
      : response_(response),
        zone_(zone),
        signatures_(signatures),
        name_(name),
        owner_(owner),
        apex_(apex),
        added_(added) {}

  // False when a proof does not fit: the reply is then truncated.
  bool no_name(const Zone::Match& match) noexcept;
  // `without`: the type that a routed name lacks for now; `ttl` bounds how long that may be believed.
  bool no_data(const Zone::Match& match, std::optional<RoutedType> without,
               std::optional<std::uint32_t> ttl) noexcept;
  // That the name itself is not there, so that a wildcard may stand for it.
  bool expansion(std::size_t encloser_skip) noexcept;
  // Compact denial (RFC 9824) of a missing name, or of a type where a wildcard stands for the name: not
  // yet signed. Nothing when it cannot be: no_name() and no_data() can.
  std::optional<OnlineDenial> compact(const Zone::Match& match, std::optional<RoutedType> without,
                                      std::uint32_t ttl) noexcept;
  // That a cut has no DS: what lies below is not signed.
  bool no_ds(const Zone::Node& cut) noexcept;

 private:
  std::size_t provable(std::size_t skip) const noexcept;
  bool deny_from(std::size_t encloser_skip) noexcept;
  bool cover_name(std::size_t encloser_skip) noexcept;
  bool add(const Signatures::Proof& proof,
           std::optional<std::uint32_t> ttl = std::nullopt) noexcept;

  Response& response_;
  const Zone& zone_;
  const Signatures& signatures_;
  const Name& name_;
  std::size_t owner_;
  std::size_t apex_;
  Added& added_;
};

// The names of an answer for which wildcards stood, to be proven missing when its answer section is
// complete: a later alias still writes there.
class Expansions {
 public:
  // `owner` is where the name stands in the response.
  void note(const Zone& zone, const Signatures& signatures, std::size_t encloser_skip,
            std::size_t owner) noexcept {
    if (count_ < noted_.size()) noted_[count_++] = {&zone, &signatures, encloser_skip, owner};
  }
  // False when a proof does not fit. Each is proven once.
  bool prove(Response& response, Prover::Added& added) noexcept;

 private:
  // Without initial values: few answers have one, and every query would pay for them.
  struct Expansion {
    const Zone* zone;
    const Signatures* signatures;
    std::size_t encloser_skip;
    std::size_t owner;
  };
  std::array<Expansion, 20> noted_;  // more than the names that an answer may follow
  std::size_t count_ = 0;
};

}  // namespace isochrone::dns
