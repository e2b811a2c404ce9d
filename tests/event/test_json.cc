// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "event/codec.h"
#include "tests/event/vocabulary.h"

namespace isochrone::event {
namespace {

using namespace testing;
using ::testing::HasSubstr;

const std::string kHead = R"("id":{"source":"prober-fra","epoch":1716000000000000,"sequence":7},)"
                          R"("time":"2024-05-01T12:00:00.000000Z","task":"fra-1716-12",)";

std::string line_of(std::string_view channel, std::string_view fields) {
  return R"({"channel":")" + std::string(channel) + "\"," + kHead + std::string(fields) + "}";
}

TEST(Json, GoldenLines) {
  EXPECT_EQ(to_json(a_measurement()),
            line_of("measurement",
                    R"("site":"fra","prefix":"192.0.2.0/24","method":"icmp","rtt_us":20123)"));
  EXPECT_EQ(to_json(a_lost_measurement()),
            line_of("measurement",
                    R"("site":"fra","prefix":"2001:db8::/48","method":"tcp","lost":true)"));
  EXPECT_EQ(to_json(a_demand()),
            line_of("demand", R"("service":"www.example.com","prefix":"198.51.100.0/24",)"
                              R"("resolver":"2001:db8::53","queries":42,"interval_ms":5000)"));
  EXPECT_EQ(to_json(a_health()),
            line_of("health", R"("site":"fra","status":"draining","origin":"operator",)"
                              R"("reason":"maintenance until noon")"));
  EXPECT_EQ(to_json(a_load()),
            line_of("load", R"("site":"fra","offered":71000,"capacity":120000)"));
  EXPECT_EQ(
      to_json(a_state()),
      line_of(
          "state",
          R"("prefix":"192.0.2.0/24","version":9,"paths":[{"site":"fra","min_us":19500,)"
          R"("p50_us":20100,"p90_us":24000,"jitter_us":300,"at":"2024-05-01T12:00:05.000000Z",)"
          R"("samples":12,"loss_permille":76,"method":"passive","aside_us":31000,"aside_answers":2}],)"
          R"("preferences":[{"service":"www.example.com","site":"fra"}],)"
          R"("views":[{"site":"fra","min_us":19500,"p50_us":20100,"p90_us":24000,"jitter_us":300,)"
          R"("at":"2024-05-01T12:00:05.000000Z","samples":12,"loss_permille":76,"method":"hop",)"
          R"("more_min_us":-4000,"more_p50_us":-3900,"more_p90_us":-2000,"more_jitter_us":150,)"
          R"("more_loss_permille":40,"more_times":3}])"));
  EXPECT_EQ(to_json(a_target()),
            line_of("target", R"("prefix":"192.0.2.0/24","addresses":["192.0.2.1","192.0.2.9"],)"
                              R"("sites":["fra","iad"],"lifetime_s":300,"weight":17)"));
  EXPECT_EQ(
      to_json(a_decision()),
      line_of("decision", R"("service":"www.example.com","prefix":"192.0.2.0/24","site":"fra",)"
                          R"("reason":"measured","scope":24,"generation":5118)"));
}

TEST(Json, ReadsBackWhatItWrites) {
  for (const Event& event : one_of_each()) {
    const auto read = from_json(to_json(event), event.channel());
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(*read, event) << to_json(event);
  }
}

TEST(Json, StoredEventsHaveTheirPositionFirst) {
  for (const Event& event : one_of_each()) {
    const StoredEvent stored{18'446'744'073'709'551'615U, event};
    EXPECT_THAT(to_json(stored), ::testing::StartsWith(R"({"position":18446744073709551615,)"));
    const auto read = stored_from_json(to_json(stored));
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(*read, stored);
  }
}

TEST(Json, TheChannelMayBeLeftOutOfALine) {
  const auto read =
      from_json("{" + kHead + R"("site":"fra","offered":1,"capacity":2})", Channel::load);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->channel(), Channel::load);
}

TEST(Json, ALineWithoutAnIdTakesTheOneGiven) {
  const std::string line =
      R"({"time":"2024-05-01T12:00:00Z","site":"fra","offered":1,"capacity":2})";
  const EventId id{"ingest", 5, 6};
  EXPECT_EQ(from_json(line, Channel::load, &id).value().id, id);
  EXPECT_THAT(from_json(line, Channel::load).error().text(), HasSubstr("field \"id\": is missing"));
}

TEST(Json, AnIdInTheLineCountsMoreThanTheOneGiven) {
  const EventId id{"ingest", 5, 6};
  EXPECT_EQ(from_json(to_json(a_load()), Channel::load, &id).value().id, a_load().id);
}

TEST(Json, LossIsSaidInOneOfThreeWays) {
  const std::string path = R"("site":"fra","prefix":"192.0.2.0/24","method":"icmp")";
  for (const char* lost : {R"(,"lost":true)", R"(,"rtt_us":null,"lost":true)"}) {
    const auto read = from_json(line_of("measurement", path + lost), Channel::measurement);
    ASSERT_TRUE(read) << lost << read.error().text();
    EXPECT_FALSE(std::get<Measurement>(read->payload).rtt);
  }
  const auto found =
      from_json(line_of("measurement", path + R"(,"rtt_us":5,"lost":false)"), Channel::measurement);
  EXPECT_EQ(std::get<Measurement>(found.value().payload).rtt, Micros(5));
}

struct BadLine {
  Channel channel;
  std::string line;
  std::string error;
};

std::string measurement_line(std::string_view rest) {
  return line_of("measurement", R"("site":"fra","method":"icmp",)" + std::string(rest));
}

TEST(Json, BadLinesAreRefusedByField) {
  const auto kM = Channel::measurement;
  const std::string long_name(254, 'x');
  const std::string prefix = R"("prefix":"192.0.2.0/24",)";
  const std::vector<BadLine> lines{
      {kM, "", "not valid JSON at byte"},
      {kM, "{\"time\":", "not valid JSON at byte"},
      {kM, "{} {}", "not valid JSON at byte"},
      {kM, "{\"a\":\"\xff\"}", "not UTF-8 at byte"},
      {kM, "[]", "the event: should be an object"},
      {kM, "7", "the event: should be an object"},
      {kM, R"({"a":1e999})", "a number is out of range"},
      {kM, R"({"a":[{"b":[1]}]})", "nested too deeply"},
      {kM, std::string(20'000, '['), "not valid JSON"},
      {kM, R"({"site":"a","site":"b"})", "field \"site\": is given twice"},
      {kM, R"({"id":{"epoch":1,"epoch":2}})", "field \"epoch\": is given twice"},
      {kM, std::string(kMaxEventBytes + 1, ' '), "at most 32768 bytes"},
      {kM, to_json(a_load()), R"(field "channel": should be "measurement")"},
      {kM, line_of("weather", R"("site":"a")"), "field \"channel\": should be measurement, demand"},
      {kM, measurement_line(prefix + R"("rtt_uss":1)"),
       R"("rtt_uss": is not known here; did you mean "rtt_us"?)"},
      {kM, measurement_line(R"("rtt_us":1)"),
       "field \"prefix\": is missing; should be a prefix like"},
      {kM, measurement_line(R"("prefix":"192.0.2.1/24","rtt_us":1)"), "no bit set past its length"},
      {kM, measurement_line(R"("prefix":7,"rtt_us":1)"),
       "field \"prefix\": should be a prefix like"},
      {kM, measurement_line(prefix + R"("rtt_us":-1)"),
       "field \"rtt_us\": should be a whole number from 0"},
      {kM, measurement_line(prefix + R"("rtt_us":1.5)"),
       "field \"rtt_us\": should be a whole number"},
      {kM, measurement_line(prefix + R"("rtt_us":"1")"),
       "field \"rtt_us\": should be a whole number"},
      {kM, measurement_line(prefix + R"("rtt_us":4294967296)"), "from 0 to 4294967295"},
      {kM, measurement_line(prefix + R"("rtt_us":60000001)"), "0 to 60000000 microseconds"},
      {kM, measurement_line(prefix + R"("rtt_us":1,"lost":true)"), "or absent with \"lost\": true"},
      {kM, measurement_line(prefix + R"("lost":false)"), "or absent with \"lost\": true"},
      {kM, measurement_line(prefix + R"("lost":"yes")"), "field \"lost\": should be true or false"},
      {kM, line_of("measurement", R"("site":"","prefix":"::/0","method":"icmp","rtt_us":1)"),
       "field \"site\": should be 1 to 253 bytes"},
      {kM, line_of("measurement", R"("site":"a\nb","prefix":"::/0","method":"icmp","rtt_us":1)"),
       "without control characters"},
      {kM,
       line_of("measurement",
               R"("site":")" + long_name + R"(","prefix":"::/0","method":"icmp","rtt_us":1)"),
       "field \"site\": should be 1 to 253 bytes"},
      {kM, line_of("measurement", R"("site":"a","prefix":"::/0","method":"ping","rtt_us":1)"),
       "field \"method\": should be icmp, tcp"},
      {kM, R"({"id":7})", "field \"id\": should be an object"},
      {kM, R"({"id":{"source":"a","epoch":1,"sequence":1,"x":1}})",
       "field \"id.x\": is not known here"},
      {kM, R"({"id":{"source":"a","epoch":1}})", "field \"id.sequence\": is missing"},
      {kM, R"({"id":{"source":"a","epoch":1,"sequence":1}})", "field \"time\": is missing"},
      {Channel::load,
       R"({"id":{"source":"a","epoch":0,"sequence":1},"time":"2024-05-01T12:00:00Z","site":"a","offered":1,"capacity":1})",
       "field \"id.epoch\": should be"},
      {Channel::load,
       R"({"id":{"source":"a","epoch":1,"sequence":0},"time":"2024-05-01T12:00:00Z","site":"a","offered":1,"capacity":1})",
       "field \"id.sequence\": should be counted from 1"},
      {Channel::load,
       R"({"id":{"source":"a","epoch":1,"sequence":1},"time":"yesterday","site":"a","offered":1,"capacity":1})",
       "field \"time\": should be a UTC time"},
      {Channel::health, line_of("health", R"("site":"a","status":"sick","origin":"prober")"),
       "field \"status\": should be up, down or draining"},
      {Channel::health, line_of("health", R"("site":"a","status":"up","origin":"me")"),
       "field \"origin\": should be prober, collector or operator"},
      {Channel::demand,
       line_of("demand",
               R"("service":"a","prefix":"::/0","resolver":"x","queries":1,"interval_ms":1)"),
       "field \"resolver\": should be an IP address"},
      {Channel::demand,
       line_of(
           "demand",
           R"("service":"a","prefix":"::/0","resolver":"::","queries":1,"interval_ms":86400001)"),
       "field \"interval_ms\": should be 0 to 86400000"},
      {Channel::state, line_of("state", R"("prefix":"::/0","version":1,"paths":7)"),
       "field \"paths\": should be an array"},
      {Channel::state, line_of("state", R"("prefix":"::/0","version":1,"paths":[7])"),
       "field \"paths[0]\": should be an object"},
      {Channel::state, line_of("state", R"("prefix":"::/0","version":1,"paths":[{"site":7}])"),
       "field \"paths[0].site\": should be a string"},
      {Channel::state,
       line_of(
           "state",
           R"("prefix":"::/0","version":1,"paths":[],"preferences":[{"service":"a","sites":"b"}])"),
       R"(field "preferences[0].sites": is not known here; did you mean "site"?)"},
      {Channel::target, line_of("target", R"("prefix":"::/0","addresses":[],"lifetime_s":1)"),
       "field \"addresses\": should be 1 to 16 addresses"},
      {Channel::target, line_of("target", R"("prefix":"::/0","addresses":["x"],"lifetime_s":1)"),
       "field \"addresses\": should be an array of IP addresses"},
      {Channel::target,
       line_of("target", R"("prefix":"::/0","addresses":["::1"],"sites":[1],"lifetime_s":1)"),
       "field \"sites\": should be an array of strings"},
      {Channel::decision,
       line_of(
           "decision",
           R"("service":"a","prefix":"192.0.2.0/24","site":"b","reason":"","scope":33,"generation":1)"),
       "field \"scope\": should be at most the width"},
  };
  for (const BadLine& bad : lines) {
    const auto read = from_json(bad.line, bad.channel);
    ASSERT_FALSE(read) << bad.line;
    EXPECT_THAT(read.error().text(), HasSubstr(bad.error)) << bad.line;
  }
}

TEST(Json, TooDeepIsRefusedBeforeItIsKept) {
  std::string line;
  for (int i = 0; i < 10'000; ++i) line += "[";
  for (int i = 0; i < 10'000; ++i) line += "]";
  EXPECT_THAT(from_json(line, Channel::load).error().text(), HasSubstr("nested too deeply"));
}

TEST(Json, EveryTruncationOfALineIsAnErrorAndNotACrash) {
  const std::string line = to_json(a_state());
  for (std::size_t length = 0; length < line.size(); ++length) {
    EXPECT_FALSE(from_json(std::string_view(line).substr(0, length), Channel::state)) << length;
  }
}

}  // namespace
}  // namespace isochrone::event
