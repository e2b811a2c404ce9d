// SPDX-License-Identifier: Apache-2.0
//
// dnstap down to the byte, the reason in it, and what it costs a worker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <iterator>

#include "base/loop.h"
#include "dns/answer_worker.h"
#include "dns/decision_reason.h"
#include "dns/tap_control.h"
#include "dns/tap_file.h"
#include "dns/tap_messages.h"
#include "routing/reasons.h"
#include "tests/app/scratch.h"
#include "tests/dns/vocabulary.h"
#include "tests/support/counting_new.h"

namespace isochrone::dns::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// "protobuf:dnstap.Dnstap" behind its field and length.
const std::string kContentType = "00000001 00000016 70726f746f6275663a646e737461702e446e73746170";

TEST(TapControl, SaysItByTheByte) {
  EXPECT_EQ(control_frame(TapControl::ready),
            from_hex("00000000 00000022 00000004" + kContentType));
  EXPECT_EQ(control_frame(TapControl::start),
            from_hex("00000000 00000022 00000002" + kContentType));
  EXPECT_EQ(control_frame(TapControl::stop), from_hex("00000000 00000004 00000003"));
}

TEST(TapControl, HearsWhatAReceiverSaysHoweverItArrives) {
  auto all = from_hex("00000000 00000022 00000001" + kContentType);
  const auto finish = from_hex("00000000 00000004 00000005");
  all.insert(all.end(), finish.begin(), finish.end());
  TapControlReader reader;
  std::vector<TapControl> heard;
  for (const std::uint8_t octet : all) {
    reader.add(Bytes(&octet, 1));
    const auto said = reader.next();
    ASSERT_TRUE(said.has_value());
    if (*said) heard.push_back(**said);
  }
  EXPECT_EQ(heard, (std::vector{TapControl::accept, TapControl::finish}));
}

TEST(TapControl, RefusesWhatNoReceiverOfDnstapSays) {
  const std::string rows[] = {
      "00000000 00000022 00000001 00000001 00000016" + std::string(44, '5'),  // another content
      "00000001 00000004 00000005",                                           // data
      "00000000 00000201",                                                    // too long
      "00000000 00000004 00000099",                                           // an unknown kind
      "00000000 00000003 000005",                                             // cut short
      "474554202f20485454502f312e310d0a",                                     // a web browser
  };
  for (const std::string& row : rows) {
    TapControlReader reader;
    reader.add(from_hex(row));
    EXPECT_FALSE(reader.next().has_value()) << row;
  }
}

TapRecord record_of_a_routed_answer() {
  TapRecord record;
  record.flow = {{address("192.0.2.7"), 0x1234}, {address("192.0.2.53"), 53}, TapProtocol::udp};
  record.received = from_unix_nanos(1'000'000'001'000'000'002);
  record.answered = from_unix_nanos(1'000'000'001'000'000'259);
  record.why = {true,
                false,
                24,
                routing::Reason::measured,
                routing::Override::none,
                17,
                prefix("198.51.100.0/24")};
  return record;
}

// Field numbers and wire types are those of https://dnstap.info, looked up there by hand.
TEST(TapMessages, AreThesePreciseBytes) {
  TapRing ring(4'096);
  const auto query = from_hex("0102");
  const auto answer = from_hex("030405060708090a0b0c0d0e");
  ASSERT_TRUE(put_record(ring, record_of_a_routed_answer(), query, answer, "fra"));
  TapMessages messages("ns1", "iso 1");
  TapBacklog backlog;
  messages.add(read_record(ring.front()), backlog);
  const std::string identity = "0a 03 6e7331  12 05 69736f2031";
  const std::string ends =
      "10 01  18 01  22 04 c0000207  2a 04 c0000235  30 b424  38 35  40 8194ebdc03  4d 02000000";
  const std::string rule =
      "736974653d66726120726561736f6e3d6d656173757265642073636f70653d3234"
      "2067656e65726174696f6e3d3137";  // site=fra reason=measured ...
  EXPECT_EQ(std::vector(backlog.rest().begin(), backlog.rest().end()),
            from_hex("00000036" + identity + "72 26  08 01" + ends + "52 02 0102" + "78 01" +
                     "0000009f" + identity + "72 8e01  08 02" + ends +
                     "60 8194ebdc03  6d 03010000  72 0c 030405060708090a0b0c0d0e" +
                     "7a 51  0a 09 69736f6368726f6e65  12 2f" + rule + "18 06  20 02" +
                     "2a 0f 3139382e35312e3130302e302f3234" + "78 01"));
}

TEST(TapMessages, HaveAddressesOfSixteenOctetsAndTheTransport) {
  TapRecord record;
  record.flow = {{address("2001:db8::7"), 1}, {address("2001:db8::53"), 853}, TapProtocol::tls};
  TapRing ring(4'096);
  ASSERT_TRUE(put_record(ring, record, from_hex("01"), {}, ""));
  TapMessages messages("n", "v");
  TapBacklog backlog;
  messages.add(read_record(ring.front()), backlog);
  const auto bytes = backlog.rest();
  const auto expected = from_hex(
      "10 02  18 03  22 10 20010db8000000000000000000000007"
      "2a 10 20010db8000000000000000000000053  30 01  38 d506");
  EXPECT_NE(std::search(bytes.begin(), bytes.end(), expected.begin(), expected.end()), bytes.end());
}

// The worker's end of a tap, a world that answers, and what came out.
class Tapped : public ::testing::Test {
 protected:
  // The record of one query over UDP.
  TapView ask(const Question& question) {
    const auto query = wire(question);
    answers_.refresh(loop_);
    reply_ = answers_.reply_to(query, question.sender, Transport::udp, out_);
    answers_.show(flow_, query, Bytes(out_).first(reply_.size), reply_);
    record_.assign(point_.ring().front().begin(), point_.ring().front().end());
    point_.ring().pop();
    return read_record(record_);
  }
  // As text; without a policy empty.
  static std::string policy_of(const TapView& record) {
    TapBacklog backlog;
    TapMessages("n", "v").add(record, backlog);
    const std::string bytes(backlog.rest().begin(), backlog.rest().end());
    const auto at = bytes.find("isochrone");
    return at == std::string::npos ? "" : bytes.substr(at);
  }

  Published<Snapshot> published_{std::make_shared<Snapshot>(world())};
  WorkerCounters counters_;
  TapPoint point_{true, true};
  Answers answers_{published_, counters_, 1, [](Bytes, const Address&) {}, &point_};
  Loop loop_;
  const TapFlow flow_{{address("198.51.100.53"), 4'242}, {address("192.0.2.53"), 53}};
  std::vector<std::uint8_t> out_ = std::vector<std::uint8_t>(4'096);
  std::vector<std::uint8_t> record_;
  Reply reply_;
};

TEST_F(Tapped, HasBothMessagesAsTheyWereAndTheTimesInOrder) {
  const Question question{.name = "mail.example.com"};
  const TapView record = ask(question);
  const auto query = wire(question);
  EXPECT_TRUE(std::equal(record.query.begin(), record.query.end(), query.begin(), query.end()));
  const Bytes sent = Bytes(out_).first(reply_.size);
  EXPECT_TRUE(std::equal(record.answer.begin(), record.answer.end(), sent.begin(), sent.end()));
  EXPECT_EQ(record.head.flow.client, flow_.client);
  EXPECT_LE(record.head.received, record.head.answered);
  EXPECT_FALSE(record.head.why.is_routed);
  EXPECT_EQ(policy_of(record), "");
}

TEST_F(Tapped, SaysOfARoutedAnswerWhatTheDecisionSays) {
  const auto snapshot = published_.current();
  for (const char* subnet : {"10.1.2.0/24", "10.9.9.0/24", "11.0.0.0/24", "10.1.0.0/16"}) {
    const TapView record = ask({.name = "www.example.com", .subnet = prefix(subnet)});
    const auto decision = *decision_sample(
        *snapshot, static_map(), nullptr,
        {*reply_.service, reply_.client, reply_.client_network, reply_.choice, 1, false},
        {1, snapshot->table->generation(), 0, 0});
    EXPECT_EQ(record.site, decision.site) << subnet;
    EXPECT_EQ(routing::to_string(record.head.why.reason), decision.reason) << subnet;
    EXPECT_EQ(record.head.why.scope, decision.scope) << subnet;
    EXPECT_EQ(record.head.why.generation, decision.generation) << subnet;
    EXPECT_EQ(record.head.why.network, decision.prefix) << subnet;
    EXPECT_THAT(policy_of(record),
                HasSubstr("site=" + decision.site + " reason=" + decision.reason));
  }
}

TEST_F(Tapped, SaysWhyASiteWasPassedOverOrNothingAnswered) {
  Snapshot next = *published_.current();
  next.sites.up = kFraBit;
  published_.publish(std::make_shared<Snapshot>(next));
  EXPECT_THAT(policy_of(ask({.name = "www.example.com", .subnet = prefix("10.1.2.0/24")})),
              HasSubstr("site=fra reason=measured scope=24 generation=1 override=site-down"));
  auto topology = std::make_shared<routing::Topology>(three_sites());
  topology->services[0].on_all_down = routing::OnAllDown::nodata;
  next = snapshot_of(static_map(), {{"example.com", example_zone()}}, *topology);
  next.sites.up = 0;
  published_.publish(std::make_shared<Snapshot>(next));
  const std::string policy =
      policy_of(ask({.name = "www.example.com", .subnet = prefix("10.1.2.0/24")}));
  EXPECT_THAT(policy, HasSubstr("reason=measured"));
  EXPECT_THAT(policy, HasSubstr("override=withheld"));
  EXPECT_THAT(policy, Not(HasSubstr("site=")));
}

TEST_F(Tapped, HasNoAnswerToWhatIsNotAnswered) {
  const TapView record = ask({.name = "mail.example.com", .flags = 0x8000});
  EXPECT_FALSE(record.query.empty());
  EXPECT_TRUE(record.answer.empty());
}

TEST_F(Tapped, AllocatesNothingAndCountsWhatFindsNoRoom) {
  const auto query = wire({.name = "www.example.com", .subnet = prefix("10.1.2.0/24")});
  answers_.refresh(loop_);
  constexpr unsigned kQueries = 50'000;
  const auto before = isochrone::testing::allocations();
  for (unsigned i = 0; i < kQueries; ++i) {
    const Reply reply = answers_.reply_to(query, address("192.0.2.1"), Transport::udp, out_);
    answers_.show(flow_, query, Bytes(out_).first(reply.size), reply);
  }
  EXPECT_EQ(isochrone::testing::allocations(), before);
  EXPECT_GT(point_.dropped(), 0U);
  unsigned frames = 0;
  for (; !point_.ring().front().empty(); point_.ring().pop()) frames += 2;
  EXPECT_EQ(frames + point_.dropped(), 2 * kQueries);
}

class TapFileTest : public ::testing::Test {
 protected:
  static std::vector<std::uint8_t> octets_of(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  // A whole stream with these frames.
  static std::vector<std::uint8_t> stream(const std::string& frames) {
    auto all = control_frame(TapControl::start);
    const auto rest = from_hex(frames + "00000000 00000004 00000003");
    all.insert(all.end(), rest.begin(), rest.end());
    return all;
  }
  void write(TapFile& file, const std::string& frames) {
    if (file.state() == TapSink::State::closed) {
      ASSERT_TRUE(file.open({}));
    }
    const auto octets = from_hex(frames);
    EXPECT_EQ(file.write(octets).value_or(0), octets.size());
  }

  const app::Scratch scratch_;
  const std::filesystem::path& folder_ = scratch_.path();
  const std::filesystem::path path_ = folder_ / "tap.fstrm";
  Instant now_ = parse_instant("2026-11-26T04:22:12.5Z").value();
};

TEST_F(TapFileTest, IsAStreamFromStartToStop) {
  TapFile file(path_, [this] { return now_; });
  write(file, "00000002 abcd");
  file.end();
  EXPECT_EQ(octets_of(path_), stream("00000002 abcd"));
}

TEST_F(TapFileTest, SetsAsideWhatAnEarlierLifeWrote) {
  {
    TapFile file(path_, [this] { return now_; });
    write(file, "00000002 abcd");
    file.end();
  }
  TapFile file(path_, [this] { return now_; });
  write(file, "00000001 ef");
  file.end();
  EXPECT_EQ(octets_of(path_), stream("00000001 ef"));
  std::vector<std::filesystem::path> all(std::filesystem::directory_iterator(folder_), {});
  std::erase(all, path_);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_THAT(all[0].string(), HasSubstr("tap.fstrm.20261126T042212.5"));
  EXPECT_EQ(octets_of(all[0]), stream("00000002 abcd"));
}

TEST_F(TapFileTest, BeginsAnotherOnlyWhenItsFileWasMovedAway) {
  TapFile file(path_, [this] { return now_; });
  write(file, "00000001 01");
  file.reopen();
  write(file, "00000001 02");
  std::filesystem::rename(path_, folder_ / "old");
  write(file, "00000001 03");
  file.reopen();
  write(file, "00000001 04");
  file.end();
  EXPECT_EQ(octets_of(folder_ / "old"), stream("00000001 01 00000001 02 00000001 03"));
  EXPECT_EQ(octets_of(path_), stream("00000001 04"));
}

TEST_F(TapFileTest, SaysWhatIsWrongWithAPlaceAndTakesItWhenItIsRight) {
  const auto in_vain = [&](const std::filesystem::path& path) {
    TapFile file(path, [this] { return now_; });
    const auto opened = file.open({});
    return opened ? std::string("opened") : opened.error().text();
  };
  EXPECT_THAT(in_vain(folder_), HasSubstr("is not a file"));
  EXPECT_THAT(in_vain(folder_ / "no" / "tap"), HasSubstr("cannot open"));
  TapFile file(folder_ / "later" / "tap", [this] { return now_; });
  EXPECT_FALSE(file.open({}));
  std::filesystem::create_directory(folder_ / "later");
  write(file, "00000001 01");
  file.end();
  EXPECT_EQ(octets_of(folder_ / "later" / "tap"), stream("00000001 01"));
}

}  // namespace
}  // namespace isochrone::dns::testing
