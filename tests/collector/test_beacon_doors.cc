// SPDX-License-Identifier: Apache-2.0
//
// The doors of the beacon as browsers find them: a whole collector on loopback, every octet of a request.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "base/http_client.h"
#include "collector/collector.h"
#include "event/beacon_label.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr Millis kTimeout{10'000};
const std::string kSecret(64, 's');

class Doors : public ::testing::Test {
 protected:
  Doors() {
    start([](BeaconOptions&) {});
  }

  template <class Change>
  void start(Change change) {
    collector_.reset();
    Options options = test_options();
    options.state_dir = folder_.path();
    BeaconOptions& beacon = options.beacon;
    beacon.is_on = true;
    beacon.listen = {Address::v4(127, 0, 0, 1), 0};
    beacon.secrets = {kSecret};
    beacon.origins = {"https://www.example.com"};
    beacon.zone = "b.example.com";
    beacon.max_per_client = 100;
    beacon.sample_rate = 0.25;
    beacon.sites = {{"fra", "https://fra.example.com/o", "https://fra.example.com/r"},
                    {"iad", "https://iad.example.com/o", ""}};
    change(beacon);
    auto started = Collector::start(options, two_sites());
    ASSERT_TRUE(started) << started.error().text();
    collector_ = std::move(*started);
  }

  // The whole answer to a request that comes from this address of loopback.
  std::string ask(const std::string& line, const std::string& headers = {},
                  const std::string& body = {}, const char* from = "127.0.0.1") {
    const Fd socket(::socket(AF_INET, SOCK_STREAM, 0));
    const timeval patience{10, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const auto address = [](const char* text, std::uint16_t port) {
      sockaddr_in made{};
      made.sin_family = AF_INET;
      made.sin_port = htons(port);
      ::inet_pton(AF_INET, text, &made.sin_addr);
      return made;
    };
    const auto source = address(from, 0);
    const auto server = address("127.0.0.1", collector_->beacon_port());
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&source), sizeof source), 0);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&server), sizeof server),
              0);
    std::string request = line + " HTTP/1.1\r\nHost: beacon\r\nConnection: close\r\n" + headers;
    if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    request += "\r\n" + body;
    EXPECT_EQ(::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    std::string answer;
    char buffer[4'096];
    for (ssize_t got = 0; (got = ::recv(socket.get(), buffer, sizeof buffer, 0)) > 0;) {
      answer.append(buffer, static_cast<std::size_t>(got));
    }
    return answer;
  }
  static int status_of(const std::string& answer) { return std::stoi(answer.substr(9, 3)); }
  static json body_of(const std::string& answer) {
    return json::parse(answer.substr(answer.find("\r\n\r\n") + 4), nullptr, false);
  }
  std::string task(const char* from = "127.0.0.1", const std::string& headers = kPage) {
    return ask("GET /v1/beacon/task", headers, {}, from);
  }
  std::string report(const json& body, const char* from = "127.0.0.1",
                     const std::string& headers = kPage) {
    return ask("POST /v1/beacon/report", headers + "Content-Type: text/plain\r\n", body.dump(),
               from);
  }
  json results() const {
    return json::array(
        {{{"site", "fra"}, {"rtt_us", 9'000}}, {{"site", "iad"}, {"error", "timeout"}}});
  }
  std::string api(const std::string& path) const {
    HttpClient client("http://127.0.0.1:" + std::to_string(collector_->port()));
    const auto reply = client.get(path, kTimeout);
    return reply ? reply->body : "";
  }

  static inline const std::string kPage = "Origin: https://www.example.com\r\n";
  TemporaryFolder folder_;
  std::unique_ptr<Collector> collector_;
};

TEST_F(Doors, ATaskNamesSitesReportersAndAHostOfItsOwn) {
  const std::string answer = task();
  EXPECT_EQ(status_of(answer), 200) << answer;
  EXPECT_THAT(answer, HasSubstr("Access-Control-Allow-Origin: https://www.example.com\r\n"));
  EXPECT_THAT(answer, HasSubstr("Vary: Origin\r\n"));
  EXPECT_THAT(answer, HasSubstr("Cache-Control: no-store\r\n"));
  const json given = body_of(answer);
  EXPECT_EQ(given["sites"].size(), 2U);
  EXPECT_EQ(given["timeout_ms"], 4'000);
  EXPECT_EQ(given["report"],
            json::array({{{"site", "fra"}, {"url", "https://fra.example.com/r"}}}));
  const auto host = given["host"].get<std::string>();
  EXPECT_EQ(host.substr(event::kBeaconLabelOctets), ".b.example.com");
  EXPECT_NE(body_of(task())["host"], given["host"]);
}

TEST_F(Doors, AReportEndsAsMeasurementsOfItsTask) {
  const json given = body_of(task("127.0.7.9"));
  const std::string answer =
      report({{"token", given["token"]}, {"results", results()}}, "127.0.7.77");
  EXPECT_EQ(status_of(answer), 200) << answer;
  EXPECT_EQ(body_of(answer)["accepted"], 2);
  EXPECT_THAT(answer, HasSubstr("Access-Control-Allow-Origin: https://www.example.com\r\n"));
  const std::string events = api("/v1/channels/measurement/events");
  EXPECT_THAT(events, HasSubstr(R"("prefix":"127.0.7.0/24")"));
  EXPECT_THAT(events, HasSubstr(R"("source":"beacon-test")"));
  EXPECT_THAT(events, HasSubstr(R"("method":"beacon")"));
  // Nobody's address is kept anywhere.
  EXPECT_THAT(events, Not(HasSubstr("127.0.7.9")));
  const json first = json::parse(events.substr(0, events.find('\n')));
  const json session = json::parse(api("/v1/tasks/" + first["task"].get<std::string>()));
  EXPECT_EQ(session["answered"], 1);
  EXPECT_EQ(session["lost"], 1);
}

TEST_F(Doors, WhatIsRefusedIsToldApartAndCounted) {
  const json given = body_of(task());
  const json body{{"token", given["token"]}, {"results", results()}};
  json forged = body;
  auto token = given["token"].get<std::string>();
  token[token.size() / 2] = token[token.size() / 2] == 'A' ? 'B' : 'A';
  forged["token"] = token;
  EXPECT_EQ(status_of(report("no report")), 400);
  EXPECT_EQ(status_of(report(forged)), 403);
  EXPECT_EQ(status_of(report(body, "127.0.1.1")), 403);
  EXPECT_EQ(status_of(report(body, "127.0.0.1", "Origin: https://evil.example\r\n")), 403);
  EXPECT_EQ(status_of(report(body, "127.0.0.1", "")), 403);
  EXPECT_EQ(status_of(report(body)), 200);
  EXPECT_EQ(status_of(report(body)), 409);
  const std::string metrics = api("/metrics");
  for (const char* line :
       {R"({outcome="malformed"} 1)", R"({outcome="forged"} 1)", R"({outcome="network"} 1)",
        R"({outcome="origin"} 2)", R"({outcome="replayed"} 1)", R"({outcome="taken"} 1)"}) {
    EXPECT_THAT(metrics, HasSubstr("isochrone_beacon_requests_total" + std::string(line)));
  }
}

TEST_F(Doors, ATaskExpires) {
  start([](BeaconOptions& beacon) { beacon.token_lifetime = Seconds(0); });
  const json given = body_of(task());
  EXPECT_EQ(status_of(report({{"token", given["token"]}, {"results", results()}})), 410);
}

TEST_F(Doors, AClientGetsItsShareAndNoMore) {
  start([](BeaconOptions& beacon) {
    beacon.max_per_client = 1;
    beacon.max_per_prefix = 2;
  });
  EXPECT_EQ(status_of(task("127.0.3.1")), 200);
  const std::string again = task("127.0.3.1");
  EXPECT_EQ(status_of(again), 429);
  EXPECT_THAT(again, HasSubstr("Retry-After: "));
  EXPECT_THAT(again, HasSubstr("Access-Control-Allow-Origin: "));
  EXPECT_EQ(status_of(task("127.0.3.2")), 200);
  EXPECT_EQ(status_of(task("127.0.3.3")), 429);
  EXPECT_EQ(status_of(task("127.0.4.1")), 200);
}

TEST_F(Doors, OnlyATrustedProxySpeaksForOthers) {
  const std::string forwarded =
      kPage + "X-Forwarded-For: 192.0.2.66\r\nX-Forwarded-For: 203.0.113.5\r\n";
  start([](BeaconOptions& beacon) { beacon.proxies = {*Prefix::parse("127.0.9.0/24")}; });
  const auto client_of = [&](const char* proxy) {
    const json given = body_of(task(proxy, forwarded));
    report({{"token", given["token"]}, {"results", results()}}, proxy, forwarded);
    const std::string events = api("/v1/channels/measurement/events");
    return json::parse(events.substr(events.rfind('\n', events.size() - 2) + 1))["prefix"];
  };
  // The last one is who the proxy saw; what stands before it, the client may have written.
  EXPECT_EQ(client_of("127.0.9.1"), "203.0.113.0/24");
  EXPECT_EQ(client_of("127.0.8.1"), "127.0.8.0/24");
}

TEST_F(Doors, SavingDataIsAsking) {
  EXPECT_EQ(status_of(task("127.0.0.1", kPage + "Save-Data: on\r\n")), 204);
}

TEST_F(Doors, TheScriptHasTheRateInIt) {
  const std::string answer = ask("GET /v1/beacon.js");
  EXPECT_EQ(status_of(answer), 200);
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/javascript; charset=utf-8\r\n"));
  EXPECT_THAT(answer, HasSubstr("\"0.25\""));
  EXPECT_THAT(answer, Not(HasSubstr("@RATE@")));
}

TEST_F(Doors, BrowsersMayAskBeforeTheyReport) {
  const std::string asked = ask("OPTIONS /v1/nel",
                                "Origin: https://fra.example.com\r\n"
                                "Access-Control-Request-Method: POST\r\n"
                                "Access-Control-Request-Headers: content-type\r\n");
  EXPECT_EQ(status_of(asked), 204);
  EXPECT_THAT(asked, HasSubstr("Access-Control-Allow-Origin: *\r\n"));
  EXPECT_THAT(asked, HasSubstr("Access-Control-Allow-Headers: content-type\r\n"));
  EXPECT_EQ(status_of(ask("OPTIONS /v1/beacon/report", "Origin: https://evil.example\r\n")), 403);
  const std::string reports =
      R"([{"age":10,"type":"network-error","url":"https://iad.example.com/x",)"
      R"("body":{"phase":"connection","type":"tcp.timed_out"}}])";
  const std::string answer =
      ask("POST /v1/nel", "Content-Type: application/reports+json\r\n", reports, "127.0.5.5");
  EXPECT_EQ(status_of(answer), 200) << answer;
  const json event = json::parse(api("/v1/channels/measurement/events"));
  EXPECT_EQ(event["site"], "iad");
  EXPECT_EQ(event["lost"], true);
  EXPECT_EQ(event["prefix"], "127.0.5.0/24");
  EXPECT_EQ(status_of(ask("POST /v1/nel", "", "{}", "127.0.5.6")), 400);
}

// An address that browsers reach has nothing else behind it, and the API nothing of this.
TEST_F(Doors, HaveNothingElseBehindThem) {
  for (const char* path : {"/v1/status", "/metrics", "/v1/channels/measurement/events", "/v1/table",
                           "/v1/route?address=192.0.2.1", "/v1/tasks"}) {
    EXPECT_EQ(status_of(ask(std::string("GET ") + path, kPage)), 404) << path;
  }
  EXPECT_EQ(status_of(ask("POST /v1/channels/measurement/events", kPage, "{}")), 404);
  EXPECT_EQ(status_of(ask("POST /v1/beacon/task", kPage, "{}")), 405);
  EXPECT_EQ(status_of(ask("GET /v1/beacon/report", kPage)), 405);
  EXPECT_THAT(api("/v1/beacon/task"), HasSubstr("nothing is at"));
}

TEST_F(Doors, ABodyThatIsTooLargeIsNotRead) {
  EXPECT_EQ(status_of(ask("POST /v1/beacon/report", kPage, std::string(8'193, ' '))), 400);
  EXPECT_THAT(ask("POST /v1/nel", "", std::string(70'000, ' ')), StartsWith("HTTP/1.1 413"));
}

}  // namespace
}  // namespace isochrone::collector
