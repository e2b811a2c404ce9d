// SPDX-License-Identifier: Apache-2.0
//
// Conditions and tasks of a whole collector, with a real HTTP receiver on loopback.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/guarded.h"
#include "base/http_client.h"
#include "base/http_server.h"
#include "collector/collector.h"
#include "event/codec.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

using nlohmann::json;

// Takes posts; the first ones are refused.
class Receiver {
 public:
  explicit Receiver(int refusals) : refusals_(refusals) {
    server_ =
        std::move(*HttpServer::start({Address::v4(127, 0, 0, 1), 0}, {},
                                     [this](const HttpRequest& request) { return take(request); }));
  }
  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(server_->port()) + "/alerts?who=me";
  }
  std::vector<json> taken() const {
    return taken_.with([](const auto& all) { return all; });
  }
  int refused() const { return refused_.load(); }

 private:
  HttpResponse take(const HttpRequest& request) {
    if (refused_.load() < refusals_) {
      ++refused_;
      return http_error(500, "not now");
    }
    EXPECT_EQ(request.path, "/alerts");
    taken_.with([&](auto& all) { all.push_back(json::parse(request.body, nullptr, false)); });
    return {};
  }

  int refusals_;
  std::atomic<int> refused_{0};
  Guarded<std::vector<json>> taken_;
  std::unique_ptr<HttpServer> server_;
};

class Alerts : public ::testing::Test {
 protected:
  Alerts() : receiver_(1) {
    Condition incomplete;
    incomplete.name = "round-incomplete";
    incomplete.metric = ConditionMetric::round_completeness;
    incomplete.below = 0.9;
    options_ = test_options();
    options_.state_dir = folder_.path();
    options_.task_quiet = Seconds(1);
    options_.conditions = {incomplete};
    options_.alert_webhook = receiver_.url();
    start();
  }
  void start() {
    collector_.reset();
    auto started = Collector::start(options_, two_sites());
    ASSERT_TRUE(started) << started.error().text();
    collector_ = std::move(*started);
  }
  json get(const std::string& path) {
    HttpClient client("http://127.0.0.1:" + std::to_string(collector_->port()));
    const auto reply = client.get(path, Millis(10'000));
    return reply ? json::parse(reply->body, nullptr, false) : json();
  }
  // A round of fra over two prefixes, the second of which gets `probes` of three.
  void round(const std::string& task, int probes) {
    std::string body;
    for (int i = 0; i < 3 + probes; ++i) {
      auto event = measured(++sequence_, "fra", i < 3 ? "192.0.2.0/24" : "198.18.0.0/24",
                            std::chrono::system_clock::now(), Micros(9'000));
      event.task = task;
      body += event::to_json(event) + "\n";
    }
    HttpClient client("http://127.0.0.1:" + std::to_string(collector_->port()));
    const auto reply = client.post("/v1/channels/measurement/events", "application/x-ndjson", body,
                                   Millis(10'000));
    ASSERT_TRUE(reply && reply->status == 200);
  }
  static bool eventually(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
  }

  TemporaryFolder folder_;
  Receiver receiver_;
  Options options_;
  std::uint64_t sequence_ = 0;
  std::unique_ptr<Collector> collector_;
};

// One life of an alert: refused once, told, over a restart, and told that it is over.
TEST_F(Alerts, TellOfAnIncompleteRoundUntilItIsOver) {
  round("fra-1", 1);
  ASSERT_TRUE(eventually([&] { return !receiver_.taken().empty(); }));
  EXPECT_EQ(receiver_.refused(), 1);
  const json told = receiver_.taken()[0];
  EXPECT_EQ(told["status"], "firing");
  EXPECT_EQ(told["alerts"][0]["labels"]["alertname"], "round-incomplete");
  EXPECT_EQ(told["alerts"][0]["labels"]["site"], "fra");
  const json task = get("/v1/tasks/fra-1");
  EXPECT_EQ(task["state"], "incomplete");
  EXPECT_EQ(task["sent"], 4);
  EXPECT_EQ(task["expected"], 6);
  EXPECT_EQ(get("/v1/tasks?state=incomplete")["tasks"][0], task);
  EXPECT_TRUE(get("/v1/tasks?state=complete")["tasks"].empty());
  EXPECT_EQ(get("/v1/conditions")["conditions"][0]["alerts"][0]["state"], "firing");
  start();
  round("fra-2", 3);
  ASSERT_TRUE(eventually([&] {
    const auto taken = receiver_.taken();
    return taken.back()["status"] == "resolved";
  }));
  EXPECT_EQ(receiver_.taken().back()["alerts"][0]["startsAt"], told["alerts"][0]["startsAt"]);
  EXPECT_EQ(get("/v1/tasks?state=complete")["tasks"][0]["task"], "fra-2");
  EXPECT_TRUE(eventually([&] { return get("/v1/conditions")["conditions"][0]["alerts"].empty(); }));
}

TEST_F(Alerts, TellThatItIsOverWhenItsRuleIsTakenAway) {
  round("fra-1", 1);
  ASSERT_TRUE(eventually([&] { return !receiver_.taken().empty(); }));
  options_.conditions.clear();
  ASSERT_TRUE(collector_->reload(options_, two_sites()));
  ASSERT_TRUE(eventually([&] { return receiver_.taken().back()["status"] == "resolved"; }));
  const json over = receiver_.taken().back();
  EXPECT_EQ(over["alerts"].size(), 1U);
  EXPECT_EQ(over["alerts"][0]["labels"]["alertname"], "round-incomplete");
}

}  // namespace
}  // namespace isochrone::collector
