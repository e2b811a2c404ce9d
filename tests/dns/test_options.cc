// SPDX-License-Identifier: Apache-2.0
//
// What replies carry besides the answer: cookies, identifiers, extended errors, class CH.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "dns/cookie_secrets.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

constexpr int kNsid = 3, kCookie = 10, kExtendedError = 15;
constexpr std::uint32_t kNow = 1559731985;

Snapshot world_with_secrets() {
  Snapshot snapshot = world();
  snapshot.options.cookies = parse_cookie_secrets("e5e973e5a6b2a43f48e7dc849e37bfcf").value();
  return snapshot;
}

Question with_option(const std::string& hex, std::string name = "mail.example.com") {
  return {.name = std::move(name), .payload = 1232, .options = from_hex(hex), .now = kNow};
}

TEST(CookieOption, IsAnsweredWithOneThatIsGoodTheNextTime) {
  const Snapshot snapshot = world_with_secrets();
  const auto first = ask(snapshot, with_option("000a 0008 2464c4abcf10c957"));
  EXPECT_EQ(first.reply.cookie, CookieVerdict::client_only);
  ASSERT_TRUE(first.options.contains(kCookie));
  const std::string whole = first.options.at(kCookie);
  EXPECT_EQ(whole.size(), 48U);
  const auto second = ask(snapshot, with_option("000a 0018" + whole));
  EXPECT_EQ(second.reply.cookie, CookieVerdict::good);
  EXPECT_EQ(second.options.at(kCookie), whole);
}

TEST(CookieOption, AForgedOneIsAnsweredWithAGoodOne) {
  const Snapshot snapshot = world_with_secrets();
  const auto heard =
      ask(snapshot, with_option("000a 0018 2464c4abcf10c957 010000005cf79f11 0000000000000000"));
  EXPECT_EQ(heard.reply.cookie, CookieVerdict::bad);
  EXPECT_EQ(heard.rcode, "NOERROR");
  EXPECT_EQ(heard.answer.size(), 1U);
  EXPECT_NE(heard.options.at(kCookie).substr(32), "0000000000000000");
}

TEST(CookieOption, TheFirstOfSeveralCountsAndAWrongLengthIsAFormatError) {
  const Snapshot snapshot = world_with_secrets();
  const std::string first = "000a 0008 1111111111111111";
  const auto heard = ask(snapshot, with_option(first + "000a 0008 2222222222222222"));
  EXPECT_EQ(heard.options.at(kCookie).substr(0, 16), "1111111111111111");
  EXPECT_EQ(ask(snapshot, with_option("000a 0009 111111111111111111")).rcode, "FORMERR");
  EXPECT_EQ(ask(snapshot, with_option(first + "000a 0000")).rcode, "FORMERR");
}

TEST(CookieOption, MayComeWithoutAQuestion) {
  const auto query = from_hex(
      "0007 0000 0000 0000 0000 0001 00 0029 04d0 00 00 0000 000c 000a 0008 2464c4abcf10c957");
  const auto heard = hear(send_bytes(world_with_secrets(), query));
  EXPECT_EQ(heard.rcode, "NOERROR");
  EXPECT_EQ(heard.options.at(kCookie).size(), 48U);
  EXPECT_EQ(hear(send_bytes(world(), query)).rcode, "FORMERR");
}

TEST(CookieOption, IsUnknownWithoutSecrets) {
  const auto heard = ask(world(), with_option("000a 0003 010203"));
  EXPECT_EQ(heard.rcode, "NOERROR");
  EXPECT_FALSE(heard.options.contains(kCookie));
}

TEST(Nsid, IsToldWhenAskedForAndConfigured) {
  Snapshot snapshot = world();
  EXPECT_FALSE(ask(snapshot, with_option("0003 0000")).options.contains(kNsid));
  snapshot.options.nsid = "ns1";
  EXPECT_EQ(ask(snapshot, with_option("0003 0000")).options.at(kNsid), "6e7331");
  EXPECT_FALSE(ask(snapshot, with_option("")).options.contains(kNsid));
}

TEST(ExtendedError, SaysWhyANameOutsideIsRefused) {
  const auto heard = ask(world(), with_option("", "example.org"));
  EXPECT_EQ(heard.rcode, "REFUSED");
  EXPECT_EQ(heard.options.at(kExtendedError), "0014");
  EXPECT_FALSE(ask(world(), with_option("")).options.contains(kExtendedError));
}

TEST(Chaos, TellsOnlyWhatIsConfigured) {
  Snapshot snapshot = world();
  const auto ask_chaos = [&](std::string name, std::string type = "TXT") {
    return ask(snapshot, {.name = std::move(name), .type = std::move(type), .klass = 3});
  };
  EXPECT_EQ(ask_chaos("version.bind").rcode, "REFUSED");
  snapshot.options.version = "Isochrone";
  snapshot.options.hostname = "ns1.example.com";
  EXPECT_EQ(ask_chaos("VERSION.bind").answer,
            (std::vector<std::string>{"VERSION.bind. 0 TXT \"Isochrone\""}));
  EXPECT_EQ(ask_chaos("version.server").answer.size(), 1U);
  EXPECT_EQ(ask_chaos("id.server").answer,
            (std::vector<std::string>{"id.server. 0 TXT \"ns1.example.com\""}));
  EXPECT_EQ(ask_chaos("version.bind", "A").rcode, "REFUSED");
  EXPECT_EQ(ask_chaos("authors.bind").rcode, "REFUSED");
}

TEST(Amplification, ALargeReplyNeedsACookieOrTcp) {
  const std::string zone = example_zone() + "big TXT \"" + std::string(250, 'x') + "\"\n";
  Snapshot snapshot = snapshot_of({}, {{"example.com", zone}}, three_sites());
  snapshot.options = world_with_secrets().options;
  snapshot.options.max_amplification = AnswerOptions().max_amplification;
  ASSERT_EQ(snapshot.options.max_amplification, 3U) << "by default";
  Question question = with_option("000a 0008 2464c4abcf10c957", "big.example.com");
  question.type = "TXT";
  const auto heard = ask(snapshot, question);
  EXPECT_TRUE(heard.reply.is_truncated);
  EXPECT_TRUE(heard.reply.is_shortened);
  EXPECT_LE(heard.bytes.size(), 3 * wire(question).size());
  question.options = from_hex("000a 0018" + heard.options.at(kCookie));
  EXPECT_FALSE(ask(snapshot, question).reply.is_truncated);
  question.options = {};
  question.transport = Transport::tcp;
  EXPECT_FALSE(ask(snapshot, question).reply.is_truncated);
}

}  // namespace
}  // namespace isochrone::dns::testing
