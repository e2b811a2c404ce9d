// SPDX-License-Identifier: Apache-2.0
//
// The HTTP API as a client sees it: a whole collector on a free loopback port.
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/http_client.h"
#include "base/text.h"
#include "collector/collector.h"
#include "event/codec.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

using nlohmann::json;

constexpr Millis kTimeout{10'000};

class Api : public ::testing::Test {
 protected:
  Api() { start(); }

  void start(Options options = test_options()) {
    client_.reset();
    collector_.reset();
    options.state_dir = folder_.path();
    options.window = Millis(100);
    options.lateness = Millis(50);
    auto started = Collector::start(options, two_sites(), [](Metrics& metrics) {
      metrics.gauge("isochrone_node_info", "Test.", 1);
    });
    ASSERT_TRUE(started) << started.error().text();
    collector_ = std::move(*started);
    client_ =
        std::make_unique<HttpClient>("http://127.0.0.1:" + std::to_string(collector_->port()));
  }

  HttpReply get(const std::string& path) {
    auto reply = client_->get(path, kTimeout);
    return reply ? *reply : HttpReply{};
  }
  json get_json(const std::string& path) { return json::parse(get(path).body, nullptr, false); }
  HttpReply post(const std::string& channel, const std::string& body,
                 const std::string& type = "application/x-ndjson") {
    auto reply = client_->post("/v1/channels/" + channel + "/events", type, body, kTimeout);
    return reply ? *reply : HttpReply{};
  }
  static Instant now() { return std::chrono::system_clock::now(); }

  TemporaryFolder folder_;
  std::unique_ptr<Collector> collector_;
  std::unique_ptr<HttpClient> client_;
};

TEST_F(Api, TakesABatchAndItsRepetition) {
  const auto line = event::to_json(measured(1, "fra", "192.0.2.0/24", now(), Micros(9000))) + "\n";
  const json first = json::parse(post("measurement", line + "{\n").body);
  EXPECT_EQ(first["accepted"], 1);
  EXPECT_EQ(first["duplicates"], 0);
  ASSERT_EQ(first["rejected"].size(), 1U);
  EXPECT_EQ(first["rejected"][0]["line"], 2);
  EXPECT_EQ(json::parse(post("measurement", line).body)["duplicates"], 1);
  start();  // and in the next life
  EXPECT_EQ(json::parse(post("measurement", line).body)["duplicates"], 1);
}

TEST_F(Api, RefusesAnIdThatIsAnotherEventsAndKeepsItAside) {
  const Instant time = now();
  const auto line = [&](std::uint64_t sequence, int rtt) {
    return event::to_json(measured(sequence, "fra", "192.0.2.0/24", time, Micros(rtt))) + "\n";
  };
  ASSERT_EQ(json::parse(post("measurement", line(1, 9'000) + line(2, 9'000)).body)["accepted"], 2);
  // In one batch: a repetition, another event under an old id, a new one and another under its id.
  const auto reply = post("measurement", line(2, 9'000) + line(1, 7'000) + line(3, 1) + line(3, 2));
  EXPECT_EQ(reply.status, 200);
  const json body = json::parse(reply.body);
  EXPECT_EQ(body["accepted"], 1);
  EXPECT_EQ(body["duplicates"], 1);
  ASSERT_EQ(body["rejected"].size(), 2U) << body.dump();
  EXPECT_EQ(body["rejected"][0]["reason"], "id-reused");
  EXPECT_EQ(body["rejected"][0]["index"], 1);
  EXPECT_NE(body["rejected"][0]["error"].get<std::string>().find(
                "(prober-fra, 1, 1) is that of another event, at position 1 of measurement"),
            std::string::npos);
  EXPECT_EQ(body["rejected"][1]["index"], 3);
  start();  // and in the next life, alone: a status of its own
  EXPECT_EQ(post("measurement", line(2, 8'000)).status, 409);
  const json kept = get_json("/v1/incidents")["incidents"];
  ASSERT_EQ(kept.size(), 3U);
  EXPECT_EQ(kept[0]["number"], 3);
  EXPECT_EQ(kept[0]["refused"]["rtt_us"], 8'000);
  EXPECT_EQ(kept[0]["stored"]["rtt_us"], 9'000);
  EXPECT_EQ(kept[0]["stored"]["position"], 2);
  EXPECT_EQ(get_json("/v1/status")["events"]["incidents"], 3);
  EXPECT_NE(get("/metrics")
                .body.find("isochrone_collector_events_rejected_total{reason=\"id-reused\"} 1"),
            std::string::npos);
}

TEST_F(Api, KeepsABoundedNumberOfIncidents) {
  const Instant time = now();
  const auto line = [&](int rtt) {
    return event::to_json(measured(1, "fra", "192.0.2.0/24", time, Micros(rtt))) + "\n";
  };
  post("measurement", line(1));
  for (int i = 0; i < 20; ++i) {
    std::string body;
    for (int j = 0; j < 10; ++j) body += line(2 + 10 * i + j);
    EXPECT_EQ(post("measurement", body).status, 409);
  }
  const json kept = get_json("/v1/incidents?limit=1000")["incidents"];
  EXPECT_EQ(kept.size(), 128U);
  EXPECT_EQ(kept[0]["refused"]["rtt_us"], 201);
  EXPECT_EQ(get_json("/v1/status")["events"]["incidents"], 200);
}

TEST_F(Api, RefusesACodedBody) {
  // The client puts what it is given after "Content-Type: ".
  const auto coded =
      post("measurement", "\x1f\x8b", "application/x-ndjson\r\nContent-Encoding: gzip");
  EXPECT_EQ(coded.status, 415);
  EXPECT_NE(coded.body.find("coded as gzip"), std::string::npos) << coded.body;
}

TEST_F(Api, AnswersABatchOfNothingGoodWithItsReason) {
  const auto line = event::to_json(measured(1, "fro", "192.0.2.0/24", now(), Micros(9'000)));
  EXPECT_EQ(post("measurement", "{\n" + line).status, 400) << "the first refusal tells";
  EXPECT_EQ(post("measurement", line).status, 422);
  EXPECT_EQ(post("measurement", std::string(40'000, 'x')).status, 413);
  EXPECT_EQ(json::parse(post("measurement", line).body)["rejected"][0]["reason"], "content");
}

TEST_F(Api, MakesASourceWaitThatPostsTooFast) {
  Options options = test_options();
  options.max_event_rate = 1;
  start(options);
  std::string batch;
  for (std::uint64_t i = 1; i <= 1'000; ++i) {
    batch += event::to_json(measured(i, "fra", "192.0.2.0/24", now(), Micros(9'000))) + "\n";
  }
  EXPECT_EQ(json::parse(post("measurement", batch).body)["accepted"], 1'000);
  const HttpReply limited = post("measurement", batch);
  EXPECT_EQ(limited.status, 429);
  EXPECT_TRUE(json::parse(limited.body).contains("hint"));
  const auto wait = parse_number<int>(limited.header("retry-after"));
  ASSERT_TRUE(wait);
  EXPECT_TRUE(*wait > 0 && *wait <= 999) << *wait;
  EXPECT_NE(get("/metrics").body.find("isochrone_collector_posts_limited_total 1"),
            std::string::npos);
}

TEST_F(Api, AnswersARepeatedPostLikeTheFirst) {
  const auto line = event::to_json(measured(1, "fra", "192.0.2.0/24", now(), Micros(9'000))) + "\n";
  const HttpReply first = post("measurement", line);
  EXPECT_EQ(first.header("x-isochrone-repeated"), "");
  const HttpReply again = post("measurement", line);
  EXPECT_EQ(json::parse(first.body)["accepted"], 1);
  EXPECT_EQ(json::parse(again.body)["accepted"], 0);
  EXPECT_EQ(json::parse(again.body)["duplicates"], 1);
  EXPECT_TRUE(again.header("x-isochrone-repeated").ends_with("s"));
  EXPECT_EQ(get_json("/v1/status")["events"]["duplicates"], 0) << "it was not carried out";
  EXPECT_EQ(json::parse(post("measurement", line + "\n").body)["duplicates"], 1) << "another body";
  EXPECT_NE(get("/metrics").body.find("isochrone_collector_posts_repeated_total 1"),
            std::string::npos);
}

TEST_F(Api, ReadsAnIntervalAfterAnIdThroughAFilter) {
  std::string lines;
  for (std::uint64_t i = 1; i <= 6; ++i) {
    lines += event::to_json(measured(i, i % 2 == 0 ? "iad" : "fra", "192.0.2.0/24", now(),
                                     Micros(static_cast<std::int64_t>(1'000 * i)))) +
             "\n";
  }
  ASSERT_EQ(post("measurement", lines).status, 200);
  const auto read = [&](const std::string& query) {
    std::string positions;
    const HttpReply reply = get("/v1/channels/measurement/events?" + query);
    EXPECT_EQ(reply.status, 200) << reply.body;
    for (const std::string_view line : split(trim(reply.body), '\n')) {
      const json event = json::parse(line, nullptr, false);
      if (event.is_object()) positions += std::to_string(event["position"].get<int>()) + " ";
    }
    return positions;
  };
  const std::string past = "2024-05-01T12:00:00Z";
  const std::string future = "2199-01-01T00:00:00Z";
  EXPECT_EQ(read("from=" + past + "&to=" + future), "1 2 3 4 5 6 ");
  EXPECT_EQ(read("from=" + future), "");
  EXPECT_EQ(read("to=" + past + "&wait=30s"), "") << "and is not waited for";
  EXPECT_EQ(read("after=prober-iad/1/4&from=" + past), "5 6 ");
  EXPECT_EQ(read("filter=rtt_ms%3E2%26%26site%3D%3D%22fra%22"), "3 5 ");
  EXPECT_EQ(read("after=3&filter=site%3D%3D%22iad%22"), "4 6 ");
}

TEST_F(Api, KeepsToThePoliciesOfItsConfiguration) {
  Options options = test_options();
  Policy far{"far", {Action::post}, {}, {}, {}, Effect::block, {}, 0};
  far.filter = std::make_shared<const Filter>(Filter::parse("rtt_ms > 20").value());
  Policy bare{"bare", {Action::read}, {}, {}, {}, Effect::remove, {"task"}, 0};
  Policy quiet{"quiet", {Action::read}, {event::Channel::state}, {}, {}, Effect::block, {}, 0};
  options.policies = {far, bare, quiet};
  start(options);
  const auto near = event::to_json(measured(1, "fra", "192.0.2.0/24", now(), Micros(9'000)));
  const auto away = event::to_json(measured(2, "fra", "192.0.2.0/24", now(), Micros(90'000)));
  const json posted = json::parse(post("measurement", near + "\n" + away + "\n").body);
  EXPECT_EQ(posted["accepted"], 1);
  EXPECT_EQ(posted["rejected"][0]["reason"], "policy");
  const json event = get_json("/v1/channels/measurement/events");
  EXPECT_EQ(event["rtt_us"], 9'000);
  EXPECT_FALSE(event.contains("task"));
  EXPECT_EQ(get("/v1/channels/state/events").status, 403);
  const auto binary =
      client_->get("/v1/channels/measurement/events", kTimeout, "application/x-protobuf");
  EXPECT_EQ(binary->status, 406);
}

TEST_F(Api, RoutesByWhatItWasTold) {
  std::string lines;
  lines += event::to_json(measured(1, "fra", "192.0.2.0/24", now(), Micros(40'000))) + "\n";
  lines += event::to_json(measured(1, "iad", "192.0.2.0/24", now(), Micros(20'000))) + "\n";
  ASSERT_EQ(post("measurement", lines).status, 200);
  // The state channel tells when the window has closed: a long poll, no sleeping.
  const auto reply = get("/v1/channels/state/events?after=0&wait=10s");
  ASSERT_EQ(reply.status, 200);
  EXPECT_EQ(json::parse(reply.body)["paths"].size(), 2U);
  const json route = get_json("/v1/route?address=192.0.2.7&service=WWW.example.com.");
  ASSERT_EQ(route["decisions"].size(), 1U) << route.dump();
  const json& decision = route["decisions"][0];
  EXPECT_EQ(decision["site"], "iad");
  EXPECT_EQ(decision["reason"], "measured");
  EXPECT_EQ(decision["basis"], "192.0.2.0/24");
  EXPECT_EQ(decision["scope"], 24);
  EXPECT_EQ(decision["candidates"][0]["p50_us"], 20'000);
  EXPECT_EQ(decision["sites"], json::parse(R"(["iad"])"));
  EXPECT_EQ(decision["candidates"][0]["named"], true);
  EXPECT_EQ(decision["candidates"][1]["named"], false);
  EXPECT_EQ(get_json("/v1/paths?prefix=192.0.2.0/24")["paths"].size(), 2U);
  EXPECT_EQ(get_json("/v1/table")["rows"][0]["ranking"], json::parse(R"(["iad","fra"])"));
  EXPECT_EQ(get_json("/v1/tasks/iad-1")["answered"], 1);
}

TEST_F(Api, AnswersMistakesWithAReason) {
  struct Row {
    const char* path;
    int status;
    const char* part;
  };
  const Row rows[] = {
      {"/v1/nothing", 404, "nothing is at /v1/nothing"},
      {"/v1/channels/measurment/events", 404, "no channel"},
      {"/v1/channels/measurement/other", 404, "nothing is at"},
      {"/v1/channels/measurement/events?after=-1", 400, "not a whole number"},
      {"/v1/route?address=here", 400, "no address"},
      {"/v1/route?address=192.0.2.1&service=ww.example.com", 404, "unknown service"},
      {"/v1/paths?limit=0", 400, "no page size"},
      {"/v1/tasks/none", 404, "no event of task"},
  };
  for (const Row& row : rows) {
    const HttpReply reply = get(row.path);
    EXPECT_EQ(reply.status, row.status) << row.path;
    EXPECT_NE(json::parse(reply.body)["error"].get<std::string>().find(row.part), std::string::npos)
        << reply.body;
  }
  EXPECT_EQ(post("state", "{}").status, 403);
  EXPECT_EQ(post("target", "{}").status, 403);
  EXPECT_EQ(post("measurement", "").status, 400);
  EXPECT_EQ(post("measurement", "\xff\xff\xff\xff", "application/x-protobuf").status, 400);
}

TEST_F(Api, ListsEverythingItKnows) {
  const auto beat = health(1, "fra", event::HealthStatus::up, event::HealthOrigin::prober, now());
  ASSERT_EQ(post("health", event::to_json(beat)).status, 200);
  for (const char* what : {"status", "sites", "services", "table", "paths", "targets"}) {
    const json body = get_json(std::string("/v1/") + what);
    EXPECT_TRUE(body.contains("generation")) << what;
    EXPECT_TRUE(body.contains("age_s")) << what;
  }
  EXPECT_EQ(get_json("/v1/channels")["channels"][2]["last"], 1);
  EXPECT_EQ(get_json("/v1/sites")["sites"][0]["status"], "up");
  EXPECT_EQ(get("/healthz").body, "ok\n");
  const std::string metrics = get("/metrics").body;
  EXPECT_NE(metrics.find("isochrone_collector_events_accepted_total 1"), std::string::npos);
  EXPECT_NE(metrics.find("isochrone_node_info 1"), std::string::npos);
}

TEST_F(Api, HearsAnOperatorAtOnce) {
  const auto down =
      health(1, "fra", event::HealthStatus::down, event::HealthOrigin::operators, now());
  ASSERT_EQ(post("health", event::to_json(down)).status, 200);
  EXPECT_EQ(get_json("/v1/sites")["sites"][0]["status"], "down");
  EXPECT_EQ(get_json("/v1/route?address=192.0.2.1")["decisions"][0]["site"], "iad");
}

TEST_F(Api, ShowsEverySiteThatAnAnswerNames) {
  routing::Topology topology = two_sites();
  topology.sites[1].host_name = "iad.example.net";
  topology.services[0].count = 2;
  topology.services.push_back({"cdn.example.com", {routing::SiteId(1)}});
  topology.services[1].answer = routing::AnswerWith::host_name;
  Options options = test_options();
  options.state_dir = folder_.path();
  options.window = Millis(100);
  options.lateness = Millis(50);
  ASSERT_TRUE(collector_->reload(options, topology));
  const json decisions = get_json("/v1/route?address=192.0.2.1")["decisions"];
  EXPECT_EQ(decisions[0]["site"], "fra");
  EXPECT_EQ(decisions[0]["sites"], json::parse(R"(["fra","iad"])"));
  EXPECT_EQ(decisions[0]["addresses"], json::parse(R"(["192.0.2.1","192.0.2.2"])"));
  EXPECT_FALSE(decisions[0].contains("host_name"));
  EXPECT_EQ(decisions[1]["host_name"], "iad.example.net");
  EXPECT_EQ(decisions[1]["addresses"], json::array());
  EXPECT_EQ(get_json("/v1/services")["services"][0]["count"], 2);
  EXPECT_EQ(get_json("/v1/services")["services"][1]["answer"], "cname");
}

TEST_F(Api, TellsWhatIsHeldOutFencedAndPinned) {
  routing::Topology topology = two_sites();
  topology.services[0].hold_out = 0.5;
  const Prefix pinned = *Prefix::parse("198.51.100.0/24");
  topology.services[0].terms = routing::Terms::of(
      3, {{1, routing::Fence::Kind::never_in, {{{pinned, true}}}}}, {{pinned, routing::SiteId(1)}});
  Options options = test_options();
  options.state_dir = folder_.path();
  options.window = Millis(100);
  options.lateness = Millis(50);
  ASSERT_TRUE(collector_->reload(options, topology));
  std::string lines;
  for (std::uint64_t i = 0; i < 64; ++i) {
    const std::string network = "10.0." + std::to_string(i) + ".0/24";
    const char* const text = network.c_str();
    lines += event::to_json(measured(2 * i + 1, "fra", text, now(), Micros(30'000))) + "\n";
    lines += event::to_json(measured(2 * i + 2, "iad", text, now(), Micros(9'000))) + "\n";
  }
  ASSERT_EQ(post("measurement", lines).status, 200);
  json entry = json::object();
  while (entry.value("routed_networks", 0) + entry.value("held_out_networks", 0) < 64) {
    entry = get_json("/v1/holdout")["services"][0];
  }
  // Without a map, networks that are held out go to the first of the service, fra.
  EXPECT_EQ(entry["service"], topology.services[0].name);
  EXPECT_DOUBLE_EQ(entry["gain_ms"].get<double>(), 21);
  EXPECT_EQ(entry["unknown_networks"], 0);
  const json fenced = get_json("/v1/route?address=198.51.100.1")["decisions"][0];
  EXPECT_EQ(fenced["fenced"], json::parse(R"(["fra"])"));
  EXPECT_EQ(fenced["pinned"], true);
  EXPECT_EQ(fenced["site"], "iad");
}

TEST_F(Api, TakesANewTopologyWithoutForgetting) {
  const auto line = event::to_json(measured(1, "iad", "192.0.2.0/24", now(), Micros(9000))) + "\n";
  ASSERT_EQ(post("measurement", line).status, 200);
  get("/v1/channels/state/events?after=0&wait=10s");
  routing::Topology topology = two_sites();
  topology.sites.push_back({"sin", {}, {*Address::parse("192.0.2.3")}});
  topology.services[0].sites.push_back(routing::SiteId(2));
  Options options = test_options();
  options.state_dir = folder_.path();
  options.window = Millis(100);
  options.lateness = Millis(50);
  ASSERT_TRUE(collector_->reload(options, topology));
  EXPECT_EQ(get_json("/v1/sites")["sites"].size(), 3U);
  EXPECT_EQ(get_json("/v1/route?address=192.0.2.1")["decisions"][0]["site"], "iad");
  options.window = Millis(200);
  EXPECT_FALSE(collector_->reload(options, topology));
}

}  // namespace
}  // namespace isochrone::collector
