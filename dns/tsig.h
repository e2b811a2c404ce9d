// SPDX-License-Identifier: Apache-2.0
//
// Tsig: messages signed with a shared secret (RFC 8945).
//
// Bounds:  every read is checked; a record that is not the last, not alone, compressed, or longer or
//          shorter than its fields say is broken. MACs are compared whole: truncated ones are refused.
// Chains:  TsigChain covers one request and all messages of its reply; each is signed over the MAC
//          before it. Up to kMaxUnsigned messages of a reply may stay without (section 5.3.1).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "dns/hmac.h"

namespace isochrone::dns {

struct TsigKey {
  std::string name;                // as configured
  std::vector<std::uint8_t> wire;  // folded
  HmacAlgorithm algorithm = HmacAlgorithm::sha256;
  std::vector<std::uint8_t> secret;
};

enum class TsigError : std::uint16_t { none = 0, bad_sig = 16, bad_key = 17, bad_time = 18 };
const char* to_string(TsigError error);

constexpr std::uint16_t kTsigFudge = 300;  // seconds; what RFC 8945 section 10 recommends
constexpr unsigned kMaxUnsigned = 99;
constexpr std::uint16_t kTypeTsig = 250;

// A record as it stands in a message, which must outlive it.
struct Tsig {
  std::size_t at = 0;  // where the record starts: the end of the message it signs
  Bytes name;
  Bytes algorithm;
  std::uint64_t time = 0;  // Unix seconds
  std::uint16_t fudge = 0;
  Bytes mac;
  std::uint16_t original_id = 0;
  std::uint16_t error = 0;
  Bytes other;
};
enum class TsigFound : std::uint8_t { none, one, broken };
TsigFound find_tsig(Bytes message, Tsig& tsig);

// The wire name of an algorithm: "hmac-sha256.".
Bytes algorithm_name(HmacAlgorithm algorithm);
// What sign() adds to a message at most.
std::size_t tsig_octets(const TsigKey& key);

class TsigChain {
 public:
  // `key` must outlive it.
  explicit TsigChain(const TsigKey& key) : key_(key) {}

  // The first message of an exchange, and then each of its reply. `message` has no TSIG.
  void sign(std::vector<std::uint8_t>& message, std::uint64_t now,
            TsigError error = TsigError::none);
  // The message that `tsig` was found in.
  TsigError verify(Bytes message, const Tsig& tsig, std::uint64_t now);
  // A message of a reply without TSIG; false when there were too many.
  bool pass(Bytes message);
  // Nothing came unsigned after the last signature: a reply must end so.
  bool is_complete() const { return unsigned_ == 0; }

 private:
  std::vector<std::uint8_t> digest(Bytes message, std::uint64_t time, std::uint16_t fudge,
                                   std::uint16_t error, Bytes other) const;

  const TsigKey& key_;
  std::vector<std::uint8_t> mac_;      // the one before; empty: this is the request
  std::vector<std::uint8_t> pending_;  // unsigned messages since
  std::uint64_t last_time_ = 0;        // of the last message verified
  unsigned messages_ = 0;              // with TSIG, so far
  unsigned unsigned_ = 0;
};

// The refusal of a request whose TSIG fails: NOTAUTH and an unsigned TSIG that says why.
std::vector<std::uint8_t> refuse_tsig(Bytes request, const Tsig& tsig, TsigError error);

}  // namespace isochrone::dns
