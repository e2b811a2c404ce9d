// SPDX-License-Identifier: Apache-2.0
//
// SigningKey: one DNSSEC key pair and when it is published, signs, retires and goes (through ldns).
//
// Threads:   immutable; any number of threads may sign with one.
// Secrets:   the private part stays inside; only private_text() gives it out, for the key's file.
// Time:      times are in the key's file as BIND's tools write them, so `dnssec-settime` can set them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"

namespace isochrone::dns {

enum class KeyAlgorithm : std::uint8_t { ecdsap256sha256 = 13, ed25519 = 15 };
std::string_view to_string(KeyAlgorithm algorithm);
std::optional<KeyAlgorithm> parse_algorithm(std::string_view name);

// Both algorithms' signatures have this size (RFC 6605 section 4, RFC 8080 section 4).
constexpr std::size_t kSignatureOctets = 64;
using SignatureBytes = std::array<std::uint8_t, kSignatureOctets>;

enum class KeyState { planned, published, active, retired, removed };
std::string_view to_string(KeyState state);

// Absent: not yet decided. A file without any time, as ldns-keygen writes it, is active for ever.
struct KeyTimes {
  std::optional<Instant> created;
  std::optional<Instant> publish;   // from here on in the DNSKEY set
  std::optional<Instant> activate;  // signs
  std::optional<Instant> inactive;  // signs no more, except the DNSKEY set
  std::optional<Instant> remove;    // out of the DNSKEY set

  KeyState state(Instant now) const;
  // The next time after `now` at which state() changes.
  std::optional<Instant> next_change(Instant now) const;
  friend bool operator==(const KeyTimes&, const KeyTimes&) = default;
};

class SigningKey {
 public:
  // A new key for the zone (folded wire name), with the SEP flag: it signs everything.
  static Result<SigningKey> generate(Bytes zone, KeyAlgorithm algorithm, KeyTimes times);
  // The texts of the two files of a key of that zone.
  static Result<SigningKey> parse(Bytes zone, std::string_view public_text,
                                  std::string_view private_text);

  KeyAlgorithm algorithm() const { return algorithm_; }
  std::uint16_t tag() const { return tag_; }
  std::uint16_t flags() const;
  bool is_secure_entry_point() const { return (flags() & 1U) != 0; }
  const KeyTimes& times() const { return times_; }
  KeyState state(Instant now) const { return times_.state(now); }

  Bytes dnskey() const { return dnskey_; }  // data of its DNSKEY record
  std::vector<std::uint8_t> ds() const;     // data of its DS record, SHA-256
  std::string file_name() const;            // without ending: Kexample.com.+013+12345
  std::string public_text() const;
  std::string private_text() const;
  SigningKey with_times(KeyTimes times) const;

  // False only when the cryptographic library fails.
  bool sign(Bytes data, SignatureBytes& signature) const;

 private:
  struct Material;
  SigningKey() = default;

  std::vector<std::uint8_t> zone_;
  KeyAlgorithm algorithm_ = KeyAlgorithm::ecdsap256sha256;
  std::uint16_t tag_ = 0;
  KeyTimes times_;
  std::vector<std::uint8_t> dnskey_;
  std::shared_ptr<const Material> material_;
};

}  // namespace isochrone::dns
