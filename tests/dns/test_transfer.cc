// SPDX-License-Identifier: Apache-2.0
//
// Zone transfers from the request to the other side's records, without a socket.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/random.h"
#include "dns/master_file.h"
#include "dns/transfer_desk.h"
#include "dns/transfer_in.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::uint32_t kNow = 1'795'479'151;
const std::vector<std::uint8_t> kApex = name_from_text("example.com").value();
const TsigKey kKey{"k", {1, 'k', 0}, HmacAlgorithm::sha256, {1, 2, 3}};

std::shared_ptr<const Snapshot> serving(const std::string& zone, TransferOptions options,
                                        std::shared_ptr<const Journal> journal = nullptr) {
  auto snapshot =
      std::make_shared<Snapshot>(snapshot_of(static_map(), {{"example.com", zone}}, three_sites()));
  auto policy = std::make_shared<TransferPolicy>();
  policy->keys = {kKey};
  policy->zones[kApex] = {std::move(options), std::move(journal)};
  snapshot->transfers = std::move(policy);
  return snapshot;
}
TransferOptions everyone() { return {{{prefix("0.0.0.0/0"), ""}}, {}, {}}; }

class Desk {
 public:
  explicit Desk(std::shared_ptr<const Snapshot> snapshot) : snapshot_(std::move(snapshot)) {}

  std::optional<TransferDesk::Served> serve(Bytes query, Transport transport = Transport::tcp,
                                            const char* sender = "192.0.2.1") {
    Request request;
    request.query = query;
    request.sender = address(sender);
    request.transport = transport;
    request.now = kNow;
    return desk_.serve(snapshot_, request);
  }
  // All messages of the transfer, or the one reply.
  std::vector<std::vector<std::uint8_t>> messages(Bytes query) {
    auto served = serve(query);
    if (!served) return {};
    if (!served->transfer) return {served->reply};
    std::vector<std::vector<std::uint8_t>> all;
    for (auto next = served->transfer->next(kNow); !next.empty();
         next = served->transfer->next(kNow)) {
      all.push_back(std::move(next));
    }
    return all;
  }
  int notified = 0;

 private:
  std::shared_ptr<const Snapshot> snapshot_;
  WorkerCounters counters_;
  TransferDesk desk_{counters_, [this](Bytes, const Address&) { ++notified; }};
};

std::multiset<std::string> texts_of(const ZoneRecords& records) {
  std::multiset<std::string> texts;
  for (const auto& row : records.rows) {
    texts.insert(fmt::format("{} {} {} {}", name_to_text(records.owner(row)), row.type, row.ttl,
                             to_hex(records.rdata(row))));
  }
  return texts;
}

// What arrives at a secondary that holds `held`, or the reason why nothing does.
struct Arrived {
  TransferIn::Step step = TransferIn::Step::more;
  ZoneRecords records;
  std::string why;
};
Arrived transfer(Desk& desk, const std::string& held, std::optional<std::uint32_t> serial,
                 const TsigKey* key = nullptr) {
  TransferIn in(
      kApex, serial, [&] { return read_master_text(held, "example.com"); }, key, 77);
  Arrived arrived;
  for (const auto& message : desk.messages(in.request(!serial, kNow))) {
    EXPECT_EQ(arrived.step, TransferIn::Step::more);
    arrived.step = in.take(message, kNow);
  }
  arrived.why = in.why();
  if (arrived.step == TransferIn::Step::done) arrived.records = in.records();
  return arrived;
}

std::string rcode_of(const std::vector<std::vector<std::uint8_t>>& messages) {
  return messages.empty() ? "none" : hear(messages.front()).rcode;
}

TEST(Transfer, IsRefusedUnlessARuleAllowsIt) {
  const auto axfr = wire({.name = "example.com", .type = "AXFR"});
  auto keyed = axfr;
  TsigChain(kKey).sign(keyed, kNow);
  Desk nobody(serving(example_zone(), {}));
  EXPECT_EQ(rcode_of(nobody.messages(axfr)), "REFUSED");
  EXPECT_EQ(rcode_of(nobody.messages(keyed)), "REFUSED");
  TransferOptions rules;
  rules.allow = {{prefix("192.0.2.0/24"), "k"}};
  Desk signed_only(serving(example_zone(), rules));
  EXPECT_EQ(rcode_of(signed_only.messages(axfr)), "REFUSED");
  EXPECT_TRUE(signed_only.serve(keyed)->transfer);
  EXPECT_FALSE(signed_only.serve(keyed, Transport::tcp, "198.51.100.1")->transfer);
  auto forged = keyed;
  forged[forged.size() - 20] ^= 1;
  EXPECT_EQ(rcode_of(signed_only.messages(forged)), "NOTAUTH");
  Desk open(serving(example_zone(), everyone()));
  EXPECT_FALSE(open.serve(axfr, Transport::udp)->transfer) << "never over UDP";
  EXPECT_EQ(rcode_of(open.messages(wire({.name = "mail.example.com", .type = "AXFR"}))), "REFUSED");
}

TEST(Transfer, OverUdpAnswersNobodyWithMoreThanThreeTimesHisQuery) {
  const std::string zone = "@ 60 SOA " + std::string(60, 'n') + "." + std::string(60, 'n') + " " +
                           std::string(60, 'h') + "." + std::string(60, 'h') + " 7 3 3 3 3\n";
  auto serving_large = [&](unsigned most) {
    auto snapshot = std::make_shared<Snapshot>(*serving(zone + "@ 60 NS ns\n", everyone()));
    snapshot->options.max_amplification = most;
    return Desk(snapshot);
  };
  TransferIn client(
      kApex, 1, [] { return ZoneRecords(); }, nullptr, 0x1234);
  const auto ixfr = client.request(false, kNow);
  const auto reply = serving_large(3).serve(ixfr, Transport::udp)->reply;
  EXPECT_THAT(hear(reply).flags, HasSubstr("tc"));
  EXPECT_LE(reply.size(), 3 * ixfr.size());
  EXPECT_GT(serving_large(0).serve(ixfr, Transport::udp)->reply.size(), 3 * ixfr.size());
}

TEST(Transfer, CarriesTheZoneWithRoutedNamesInTheirLastResort) {
  Desk desk(serving(example_zone(), everyone()));
  const Arrived arrived = transfer(desk, "", std::nullopt);
  ASSERT_EQ(arrived.step, TransferIn::Step::done) << arrived.why;
  auto wanted = texts_of(read_master_text(
      example_zone() + "www 30 A 192.0.2.99\nwww 30 AAAA 2001:db8:3::1\nv4 20 A 192.0.2.2\n",
      "example.com"));
  EXPECT_EQ(texts_of(arrived.records), wanted);
}

// RFC 6891 section 7, RFC 5936 section 2.2.5.
TEST(Transfer, EveryReplyToAQueryWithOptHasOne) {
  const Question axfr{
      .name = "example.com", .type = "AXFR", .payload = 1232, .subnet = prefix("192.0.2.0/24")};
  Question notify = axfr;
  notify.type = "SOA";
  notify.flags = 0x2400;
  for (const TransferOptions& rules : {TransferOptions{}, everyone()}) {
    Desk desk(serving(example_zone(), rules));
    const Heard heard = hear(desk.messages(wire(axfr)).front());
    EXPECT_EQ(heard.rcode, rules.allow.empty() ? "REFUSED" : "NOERROR");
    EXPECT_TRUE(heard.has_edns);
    EXPECT_EQ(heard.subnet, "1 24 c00002");
    EXPECT_EQ(heard.scope, 0);
    EXPECT_TRUE(hear(desk.messages(wire(notify)).front()).has_edns);
    EXPECT_FALSE(
        hear(desk.messages(wire({.name = "example.com", .type = "AXFR"})).front()).has_edns);
  }
}

// RFC 5936 section 4.2, RFC 1995 section 2: over UDP no zone, but the SOA that says whether one is new.
TEST(Transfer, OverUdpThereIsOneSoaAtMost) {
  Desk desk(serving(example_zone(), everyone()));
  auto served = desk.serve(wire({.name = "example.com", .type = "AXFR"}), Transport::udp);
  ASSERT_TRUE(served);
  EXPECT_EQ(hear(served->reply).rcode, "REFUSED");
  for (const std::uint32_t held : {1U, 7U}) {
    TransferIn in(kApex, held, {}, nullptr, 77);
    served = desk.serve(in.request(false, kNow), Transport::udp);
    ASSERT_TRUE(served);
    const Heard heard = hear(served->reply);
    EXPECT_EQ(heard.answer.size(), 1U) << "from serial " << held;
    EXPECT_THAT(heard.answer, ::testing::Each(HasSubstr(" SOA ")));
  }
}

// A ladder of pointers, each to the one below it, down to a name: as many as a name has labels lead
// there, more are a message made to cost time.
TEST(Transfer, FollowsNoMorePointersThanANameHasLabels) {
  std::vector<std::uint8_t> message{1, 'a', 0};
  const auto climb = [&message](std::size_t rungs) {
    std::size_t below = 0;
    for (std::size_t i = 0; i < rungs; ++i) {
      const std::size_t at = message.size();
      message.push_back(static_cast<std::uint8_t>(0xc0 | below >> 8));
      message.push_back(static_cast<std::uint8_t>(below));
      below = at;
    }
    return below;
  };
  std::size_t at = climb(127);
  EXPECT_EQ(expand_name(message, at), (std::vector<std::uint8_t>{1, 'a', 0}));
  at = climb(128);
  EXPECT_EQ(expand_name(message, at), std::nullopt);
}

TEST(Transfer, ManyRecordsShareAMessageAndEachIsSigned) {
  std::string zone = example_zone();
  for (int i = 0; i < 5'000; ++i) zone += fmt::format("host{} A 10.0.{}.{}\n", i, i / 256, i % 256);
  TransferOptions rules;
  rules.allow = {{prefix("0.0.0.0/0"), "k"}};
  Desk desk(serving(zone, rules));
  const Arrived arrived = transfer(desk, "", std::nullopt, &kKey);
  EXPECT_EQ(arrived.step, TransferIn::Step::done) << arrived.why;
  EXPECT_EQ(arrived.records.rows.size(),
            5'000U + read_master_text(example_zone(), "example.com").rows.size() + 3);
  auto request = wire({.name = "example.com", .type = "AXFR"});
  TsigChain(kKey).sign(request, kNow);
  EXPECT_LT(desk.messages(request).size(), 10U);
}

// A zone of random records; the same seed gives the same.
std::string random_zone(std::uint32_t serial, Random& random) {
  std::string zone = fmt::format("@ 60 SOA ns h {} 2 3 4 5\n@ 60 NS ns.elsewhere.org.\n", serial);
  for (int i = 0; i < 30; ++i) {
    if (random.below(2) == 0) zone += fmt::format("n{} 60 A 192.0.2.{}\n", i, random.below(3));
    if (random.below(4) == 0) zone += fmt::format("n{} {} MX 5 n{}\n", i, 60 + random.below(2), i);
  }
  return zone;
}

TEST(Transfer, DifferencesLeadToTheNewestVersion) {  // RFC 1995
  Random random(1995);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::string> versions;
    for (std::uint32_t serial = 1; serial <= 4; ++serial) {
      versions.push_back(random_zone(serial, random));
    }
    Journal journal;
    std::shared_ptr<const Snapshot> before;
    for (const std::string& version : versions) {
      const auto now = serving(version, everyone());
      if (before) {
        journal = journal.extended(std::make_shared<const Difference>(
            difference({*before->zones, *before->topology, before->zones->zones().front()},
                       {*now->zones, *now->topology, now->zones->zones().front()})));
      }
      before = now;
    }
    Desk desk(serving(versions[3], everyone(), std::make_shared<const Journal>(journal)));
    const std::string routed =
        "www 30 A 192.0.2.99\nwww 30 AAAA 2001:db8:3::1\nv4 20 A 192.0.2.2\n";
    for (std::uint32_t held = 1; held <= 3; ++held) {
      const Arrived arrived = transfer(desk, versions[held - 1] + routed, held);
      ASSERT_EQ(arrived.step, TransferIn::Step::done) << arrived.why;
      EXPECT_EQ(texts_of(arrived.records),
                texts_of(read_master_text(versions[3] + routed, "example.com")));
    }
    const Arrived wrong = transfer(desk, versions[1] + routed, 1);
    EXPECT_NE(wrong.step, TransferIn::Step::more) << "a version that is not what its serial says";
    EXPECT_EQ(transfer(desk, versions[3], 4).step, TransferIn::Step::current);
    EXPECT_EQ(transfer(desk, versions[3], 9).step, TransferIn::Step::current) << "never back";
  }
}

TEST(Transfer, NotifyIsHeardFromPrimariesAlone) {  // RFC 1996
  auto notify = wire({.name = "example.com", .type = "SOA", .flags = 0x2400});
  TransferOptions rules;
  rules.primaries = {{{address("192.0.2.1"), 53}, ""}};
  Desk desk(serving(example_zone(), rules));
  EXPECT_EQ(rcode_of(desk.messages(notify)), "NOERROR");
  EXPECT_EQ(desk.notified, 1);
  EXPECT_EQ(hear(desk.serve(notify, Transport::udp, "192.0.2.2")->reply).rcode, "REFUSED");
  EXPECT_EQ(desk.notified, 1);
  Desk primary(serving(example_zone(), everyone()));
  EXPECT_EQ(rcode_of(primary.messages(notify)), "NOTAUTH");
}

TEST(Transfer, WhatBreaksARuleChangesNothing) {
  Desk desk(serving(example_zone(), everyone()));
  TransferIn in(kApex, std::nullopt, {}, nullptr, 77);
  auto message = desk.messages(in.request(true, kNow)).front();
  for (std::size_t size = 0; size < message.size(); size += 3) {
    TransferIn fresh(kApex, std::nullopt, {}, nullptr, 77);
    fresh.request(true, kNow);
    EXPECT_EQ(fresh.take(Bytes(message).first(size), kNow), TransferIn::Step::failed) << size;
  }
  TransferIn keyed(kApex, std::nullopt, {}, &kKey, 77);
  keyed.request(true, kNow);
  EXPECT_EQ(keyed.take(message, kNow), TransferIn::Step::failed);
  EXPECT_THAT(keyed.why(), HasSubstr("signature"));
  message[0] ^= 1;
  TransferIn other(kApex, std::nullopt, {}, nullptr, 77);
  other.request(true, kNow);
  EXPECT_EQ(other.take(message, kNow), TransferIn::Step::failed);
}

}  // namespace
}  // namespace isochrone::dns::testing
