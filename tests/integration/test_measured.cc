// SPDX-License-Identifier: Apache-2.0
//
// From a measurement to a changed answer, through the real program.
#include <gtest/gtest.h>

#include "base/text.h"
#include "tests/integration/world.h"

namespace isochrone::test {
namespace {

constexpr auto kClient = "198.51.100.0/24";

class Measured : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(daemon_.is_ready()) << daemon_.log();
    dns_ = daemon_.endpoint("dns");
    url_ = daemon_.collector_url();
  }
  // Three rounds' worth of one path to each site; `best` answers in 10 ms, the others in 80.
  std::string three_rounds(std::string_view best) {
    std::string lines;
    for (int round = 0; round < 3; ++round) {
      for (const std::string_view site : {"fra", "iad", "sin"}) {
        lines += measurement(site, kClient, site == best ? 10'000 : 80'000, ++sequence_);
      }
    }
    return lines;
  }
  Finished ingest(const std::string& lines) {
    return isochrone({"ingest", "-", "--collector", url_}, lines);
  }

  World world_;
  Daemon daemon_{world_.write("node.yaml", world_.all_in_one())};
  Endpoint dns_;
  std::string url_;
  std::uint64_t sequence_ = 0;
};

TEST_F(Measured, TheAnswerFollowsWhatIsIngested) {
  const Finished finished = ingest(three_rounds("sin"));
  ASSERT_EQ(finished.status, 0) << finished.err;
  EXPECT_EQ(finished.out, "accepted 9, duplicates 0, rejected 0\n");
  ASSERT_TRUE(eventually([&] { return answers(dns_, kClient, "192.0.2.3"); })) << daemon_.log();
  EXPECT_TRUE(answers(dns_, "203.0.113.0/24", "192.0.2.1")) << "nobody measured that network";
  const auto reply = ask(dns_, {std::string(kService), 1, Prefix::parse(kClient)});
  ASSERT_TRUE(reply.has_value());
  EXPECT_GE(reply->scope.value_or(0), 1) << "not everybody gets the same";
}

TEST_F(Measured, RouteExplainsTheAnswer) {
  ASSERT_EQ(ingest(three_rounds("iad")).status, 0);
  ASSERT_TRUE(eventually([&] { return answers(dns_, kClient, "192.0.2.2"); })) << daemon_.log();
  const Finished people = isochrone({"route", "198.51.100.7", "--collector", url_});
  EXPECT_EQ(people.status, 0) << people.err;
  for (const char* word : {"www.example.com", "iad", "measured", "198.51.100.0/24", "generation"}) {
    EXPECT_NE(people.out.find(word), std::string::npos) << word << "\n" << people.out;
  }
  const Finished json = isochrone(
      {"route", "198.51.100.7", "--service", std::string(kService), "--json", "--collector", url_});
  EXPECT_EQ(json.status, 0) << json.err;
  EXPECT_FALSE(nlohmann::json::parse(json.out, nullptr, false).is_discarded()) << json.out;
  const Finished unknown =
      isochrone({"route", "198.51.100.7", "--service", "no.example.com", "--collector", url_});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_NE(unknown.err.find("no.example.com"), std::string::npos) << unknown.err;
  EXPECT_EQ(isochrone({"route", "198.51.100", "--collector", url_}).status, 1);
}

TEST_F(Measured, ShowShowsEverything) {
  ASSERT_EQ(ingest(three_rounds("iad")).status, 0);
  ASSERT_TRUE(eventually([&] { return answers(dns_, kClient, "192.0.2.2"); })) << daemon_.log();
  for (const char* what : {"status", "sites", "services", "table", "paths", "targets", "tasks",
                           "channels", "changes"}) {
    const Finished people = isochrone({"show", what, "--collector", url_});
    EXPECT_EQ(people.status, 0) << what << ": " << people.err;
    EXPECT_FALSE(people.out.empty()) << what;
    const Finished json = isochrone({"show", what, "--json", "--collector", url_});
    EXPECT_EQ(json.status, 0) << what << ": " << json.err;
    EXPECT_FALSE(nlohmann::json::parse(json.out, nullptr, false).is_discarded()) << what;
  }
  const Finished paths = isochrone({"show", "paths", "--collector", url_});
  EXPECT_NE(paths.out.find("198.51.100.0/24"), std::string::npos) << paths.out;
}

TEST_F(Measured, WhatIsIngestedTwiceCountsOnce) {
  const std::string lines = three_rounds("sin");
  const std::string file = world_.write("events.ndjson", lines);
  EXPECT_EQ(isochrone({"ingest", file, "--collector", url_}).out,
            "accepted 9, duplicates 0, rejected 0\n");
  EXPECT_EQ(isochrone({"ingest", file, "--collector", url_}).out,
            "accepted 0, duplicates 9, rejected 0\n");
  EXPECT_EQ(events_of(url_, "measurement").size(), 9U);
}

TEST_F(Measured, LinesWithoutAnIdGetOneThatStays) {
  std::string lines;
  for (int i = 0; i < 5; ++i) lines += measurement("fra", kClient, 1'000 + i);
  const std::string file = world_.write("events.ndjson", lines);
  EXPECT_EQ(isochrone({"ingest", file, "--collector", url_}).out,
            "accepted 5, duplicates 0, rejected 0\n");
  world_.write("events.ndjson", lines + measurement("sin", kClient, 1'000));
  EXPECT_EQ(isochrone({"ingest", file, "--collector", url_}).out,
            "accepted 1, duplicates 5, rejected 0\n");
}

TEST_F(Measured, ALineThatIsRefusedIsNamedAndTheRestIsKept) {
  const std::string file = world_.write(
      "events.ndjson", measurement("fra", kClient, 1'000) + "{broken\n\n" +
                           measurement("fra", kClient, -5) + measurement("sin", kClient, 1'000));
  const Finished finished = isochrone({"ingest", file, "--collector", url_});
  EXPECT_EQ(finished.status, 1);
  EXPECT_EQ(finished.out, "accepted 2, duplicates 0, rejected 2\n");
  EXPECT_NE(finished.err.find(file + ":2: "), std::string::npos) << finished.err;
  EXPECT_NE(finished.err.find(file + ":4: "), std::string::npos) << finished.err;
}

TEST_F(Measured, BadInputIsRefusedWithAReasonInJson) {
  const auto mixed = post(url_, "measurement", "{\n" + measurement("fra", kClient, 1'000, 77));
  ASSERT_TRUE(mixed.has_value());
  EXPECT_EQ(mixed->status, 200);
  EXPECT_EQ(mixed->body.value("accepted", -1), 1);
  ASSERT_EQ(mixed->body.at("rejected").size(), 1U);
  EXPECT_EQ(mixed->body["rejected"][0].value("line", -1), 1);
  EXPECT_FALSE(mixed->body["rejected"][0].value("error", "").empty());
  const auto nowhere = post(url_, "gossip", "{}\n");
  ASSERT_TRUE(nowhere.has_value());
  EXPECT_EQ(nowhere->status, 404);
  EXPECT_FALSE(nowhere->body.value("error", "").empty());
}

TEST_F(Measured, ASiteThatTheOperatorTakesDownIsInNoAnswer) {
  ASSERT_EQ(ingest(three_rounds("sin")).status, 0);
  ASSERT_TRUE(eventually([&] { return answers(dns_, kClient, "192.0.2.3"); })) << daemon_.log();
  ASSERT_EQ(post(url_, "health", operator_says("sin", "down", 1)).value_or(Posted{}).status, 200);
  EXPECT_TRUE(eventually([&] {
    const auto answer = answer_for(dns_, kClient);
    return answer && *answer != Address::parse("192.0.2.3");
  })) << daemon_.log();
  ASSERT_EQ(post(url_, "health", operator_says("sin", "up", 2)).value_or(Posted{}).status, 200);
  EXPECT_TRUE(eventually([&] { return answers(dns_, kClient, "192.0.2.3"); })) << daemon_.log();
}

TEST_F(Measured, WithEverySiteDownTheAnswerIsNotEmpty) {
  std::string down;
  for (const char* site : {"fra", "iad", "sin"}) down += operator_says(site, "down", ++sequence_);
  ASSERT_EQ(post(url_, "health", down).value_or(Posted{}).status, 200);
  ASSERT_TRUE(eventually(
      [&] { return get_json(url_, "/v1/sites").dump().find("\"up\":true") == std::string::npos; }));
  EXPECT_TRUE(answer_for(dns_, kClient).has_value());
}

}  // namespace
}  // namespace isochrone::test
