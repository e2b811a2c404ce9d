// SPDX-License-Identifier: Apache-2.0
//
// Signatures, with ldns' own implementation as the oracle.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "dns/base64.h"
#include "dns/ldns.h"
#include "dns/tsig.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

constexpr std::uint64_t kNow = 1'795'479'151;
constexpr const char* kSecret = "q1VbmLM9hnJwHHPFtLpUvFJMFVf0gZKbZyZX2nqBHCw=";

TsigKey key(HmacAlgorithm algorithm = HmacAlgorithm::sha256) {
  return {"transfer.key", name_from_text("transfer.key").value(), algorithm,
          from_base64(kSecret).value()};
}

std::vector<std::uint8_t> signed_by_ldns(const char* algorithm) {
  ldns_pkt* raw = ldns_pkt_query_new(ldns_dname_new_frm_str("example.com."), LDNS_RR_TYPE_AXFR,
                                     LDNS_RR_CLASS_IN, 0);
  const LdnsPacket packet(raw);
  ldns_pkt_set_id(raw, 4711);
  EXPECT_EQ(ldns_pkt_tsig_sign(raw, "transfer.key.", kSecret, 300, algorithm, nullptr),
            LDNS_STATUS_OK);
  std::uint8_t* wire = nullptr;
  std::size_t size = 0;
  EXPECT_EQ(ldns_pkt2wire(&wire, raw, &size), LDNS_STATUS_OK);
  std::vector<std::uint8_t> bytes(wire, wire + size);
  std::free(wire);
  return bytes;
}

TEST(Tsig, UnderstandsWhatLdnsSigns) {
  const auto bytes = signed_by_ldns("hmac-sha256.");
  Tsig tsig;
  ASSERT_EQ(find_tsig(bytes, tsig), TsigFound::one);
  const TsigKey mine = key();
  EXPECT_EQ(TsigChain(mine).verify(bytes, tsig, tsig.time), TsigError::none);
  EXPECT_EQ(TsigChain(mine).verify(bytes, tsig, tsig.time + 300), TsigError::none);
  EXPECT_EQ(TsigChain(mine).verify(bytes, tsig, tsig.time + 301), TsigError::bad_time);
  EXPECT_EQ(TsigChain(mine).verify(bytes, tsig, tsig.time - 301), TsigError::bad_time);
  TsigKey other = mine;
  other.secret[3] ^= 1;
  EXPECT_EQ(TsigChain(other).verify(bytes, tsig, tsig.time), TsigError::bad_sig);
  const TsigKey longer = key(HmacAlgorithm::sha512);
  EXPECT_EQ(TsigChain(longer).verify(bytes, tsig, tsig.time), TsigError::bad_key);
}

TEST(Tsig, LdnsUnderstandsWhatWeSign) {
  auto message = wire({.name = "example.com", .type = "AXFR"});
  const TsigKey mine = key();
  TsigChain(mine).sign(message, kNow);
  ldns_pkt* raw = nullptr;
  ASSERT_EQ(ldns_wire2pkt(&raw, message.data(), message.size()), LDNS_STATUS_OK);
  const LdnsPacket packet(raw);
  EXPECT_TRUE(
      ldns_pkt_tsig_verify(raw, message.data(), message.size(), "transfer.key.", kSecret, nullptr));
}

TEST(Tsig, AReplyIsAChain) {
  const TsigKey mine = key(HmacAlgorithm::sha512);
  TsigChain client(mine);
  TsigChain server(mine);
  auto request = wire({.name = "example.com", .type = "AXFR"});
  client.sign(request, kNow);
  Tsig tsig;
  ASSERT_EQ(find_tsig(request, tsig), TsigFound::one);
  ASSERT_EQ(server.verify(request, tsig, kNow), TsigError::none);
  std::vector<std::vector<std::uint8_t>> messages;
  for (int i = 0; i < 3; ++i) {
    messages.push_back(wire({.name = "example.com", .type = "TXT"}));
    server.sign(messages.back(), kNow);
  }
  const auto hear = [&client](const std::vector<std::uint8_t>& message) {
    Tsig found;
    return find_tsig(message, found) == TsigFound::one ? client.verify(message, found, kNow)
                                                       : TsigError::bad_key;
  };
  EXPECT_EQ(hear(messages[0]), TsigError::none);
  EXPECT_EQ(hear(messages[2]), TsigError::bad_sig) << "one is missing";
  EXPECT_EQ(hear(messages[1]), TsigError::none);
  EXPECT_EQ(hear(messages[2]), TsigError::none);
}

TEST(Tsig, UnsignedMessagesCountForTheNextSignatureAndAreFew) {
  const TsigKey mine = key();
  TsigChain client(mine);
  auto request = wire({.name = "example.com", .type = "AXFR"});
  const auto plain = request;
  EXPECT_FALSE(client.pass(plain)) << "not before the first signed reply";
  TsigChain fresh(mine);
  fresh.sign(request, kNow);
  auto reply = plain;
  TsigChain server(mine);
  Tsig tsig;
  find_tsig(request, tsig);
  server.verify(request, tsig, kNow);
  server.sign(reply, kNow);
  ASSERT_EQ(find_tsig(reply, tsig), TsigFound::one);
  ASSERT_EQ(fresh.verify(reply, tsig, kNow), TsigError::none);
  for (unsigned i = 0; i < kMaxUnsigned; ++i) ASSERT_TRUE(fresh.pass(plain));
  EXPECT_FALSE(fresh.is_complete());
  EXPECT_FALSE(fresh.pass(plain));
}

TEST(Tsig, EveryDamageIsSeen) {
  const TsigKey mine = key();
  auto message = wire({.name = "example.com", .type = "SOA"});
  TsigChain(mine).sign(message, kNow);
  Tsig whole;
  ASSERT_EQ(find_tsig(message, whole), TsigFound::one);
  const auto is_folded = [&](std::size_t at) {  // names compare without case
    const std::uint8_t* place = message.data() + at;
    const auto is_in = [place](Bytes name) {
      return place >= name.data() && place < name.data() + name.size();
    };
    return is_in(whole.name) || is_in(whole.algorithm);
  };
  for (std::size_t at = 2; at < message.size(); ++at) {  // the id that counts is the original one
    for (const std::uint8_t bit : std::initializer_list<std::uint8_t>{1, 0x20, 0x80}) {
      if (bit == 0x20 && is_folded(at)) continue;
      auto damaged = message;
      damaged[at] ^= bit;
      Tsig tsig;
      if (find_tsig(damaged, tsig) != TsigFound::one) continue;
      EXPECT_NE(TsigChain(mine).verify(damaged, tsig, kNow), TsigError::none)
          << at << " " << unsigned{bit};
    }
  }
  for (std::size_t size = 0; size < message.size(); ++size) {
    Tsig tsig;
    EXPECT_NE(find_tsig(Bytes(message).first(size), tsig), TsigFound::one) << size;
  }
}

TEST(Tsig, MustBeTheLastRecordAndAlone) {
  const TsigKey mine = key();
  auto message = wire({.name = "example.com", .type = "SOA"});
  TsigChain(mine).sign(message, kNow);
  auto twice = message;
  TsigChain(mine).sign(twice, kNow);
  Tsig tsig;
  EXPECT_EQ(find_tsig(twice, tsig), TsigFound::broken);
  auto followed = message;
  followed.push_back(0);
  EXPECT_EQ(find_tsig(followed, tsig), TsigFound::broken);
  auto in_answer = message;
  std::swap(in_answer[7], in_answer[11]);
  EXPECT_EQ(find_tsig(in_answer, tsig), TsigFound::broken);
}

}  // namespace
}  // namespace isochrone::dns::testing
