// SPDX-License-Identifier: Apache-2.0
//
// A collector or a prober that is killed, or held, at random moments while others go on.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <vector>

#include "tests/faults/scene.h"
#include "tests/support/process.h"

namespace isochrone::test {
namespace {

using std::chrono::milliseconds;

TEST(Faults, Kill9OfTheCollector) {
  Findings all;
  for (unsigned round = 0; round < fault_rounds() && !HasFailure(); ++round) {
    SCOPED_TRACE(round);
    Scene scene(round);
    for (int life = 0; life < 3; ++life) {
      ASSERT_TRUE(scene.start());
      ASSERT_TRUE(scene.flush());
      scene.post(2);
      // Windows close while others post, and while it is killed.
      scene.pass(1'200);
      scene.post_while([&] {
        pass_some_time(scene.random(), milliseconds(120));
        scene.daemon().signal(SIGKILL);
      });
    }
    ASSERT_TRUE(scene.start());
    all += scene.check();
  }
  report("kill9", all);
}

// What a prober knew to be acknowledged, and what lies in the log of that life of it.
struct Life {
  std::uint64_t acknowledged = 0;
  std::vector<std::uint64_t> sequences;
};

TEST(Faults, Kill9OfTheProber) {
  if (::geteuid() != 0) return;  // probing takes raw sockets
  Findings all;
  for (unsigned round = 0; round < fault_rounds() && !HasFailure(); ++round) {
    SCOPED_TRACE(round);
    Scene scene(round);
    ASSERT_TRUE(scene.start());
    std::map<std::uint64_t, Life> lives;  // by epoch
    for (int life = 0; life < 3; ++life) {
      Daemon prober(
          scene.write("prober.yaml",
                      fmt::format("node: {{name: p1, state-dir: state-p1, http: 127.0.0.1@0}}\n"
                                  "collector: {{url: '{}'}}\n"
                                  "prober: {{site: fra, round-interval: 100ms, timeout: 50ms, "
                                  "heartbeat: 50ms, allow-private: true, targets: "
                                  "[{{prefix: 127.0.0.0/24, address: 127.0.0.1}}, "
                                  "{{prefix: 127.0.1.0/24, address: 127.0.1.1}}]}}\n",
                                  scene.url()) +
                          World::topology()),
          [&] { scene.shift().preload(ISOCHRONE_SHIFTED_CLOCK); });
      ASSERT_TRUE(prober.is_ready()) << prober.log();
      const std::string node = fmt::format("http://127.0.0.1:{}", prober.endpoint("http").port);
      nlohmann::json status;
      ASSERT_TRUE(eventually([&] {
        status = get_json(node, "/v1/status").value("prober", nlohmann::json::object());
        return status.contains("events") && status["events"]["acknowledged"] > 0;
      })) << prober.log();
      pass_some_time(scene.random(), milliseconds(300));
      status = get_json(node, "/v1/status")["prober"];
      prober.kill();
      lives[status["epoch"]].acknowledged = status["events"]["acknowledged"];
    }
    for (const std::string_view channel : {"measurement", "health"}) {
      for (const event::StoredEvent& each : scene.read(channel)) {
        if (each.event.id.source != "prober-fra") continue;
        lives[each.event.id.epoch].sequences.push_back(each.event.id.sequence);
      }
    }
    ++all.rounds;
    for (auto& [epoch, life] : lives) {
      // Channels are posted by themselves, so one may be ahead of the other: there may be gaps.
      std::sort(life.sequences.begin(), life.sequences.end());
      const auto end = std::unique(life.sequences.begin(), life.sequences.end());
      all.twice += static_cast<std::uint64_t>(life.sequences.end() - end);
      life.sequences.erase(end, life.sequences.end());
      all.acknowledged += life.acknowledged;
      all.lost += life.acknowledged - std::min(life.acknowledged, life.sequences.size());
    }
    EXPECT_EQ(lives.size(), 3U);
    all.states += scene.wrong_states();
  }
  report("kill9-prober", all);
}

std::string heartbeats(std::uint64_t sequence, Instant now) {
  std::string lines;
  for (const char* site : {"fra", "iad", "sin"}) {
    lines +=
        nlohmann::json{
            {"time", format_instant(now)},
            {"site", site},
            {"status", "up"},
            {"origin", "prober"},
            {"id",
             {{"source", fmt::format("beat-{}", site)}, {"epoch", 1}, {"sequence", sequence}}}}
            .dump() +
        "\n";
  }
  return lines;
}

// Held for a minute, as by a debugger, a hypervisor or a swap that crawls: it counts what was posted
// meanwhile once, and does not take its own absence for that of the sites.
TEST(Faults, ACollectorThatIsPausedForAMinute) {
  Findings all;
  for (unsigned round = 0; round < fault_rounds() && !HasFailure(); ++round) {
    SCOPED_TRACE(round);
    Scene scene(round, ", site-timeout: 30s");
    ASSERT_TRUE(scene.start());
    for (std::uint64_t pause = 1; pause <= 2; ++pause) {
      ASSERT_TRUE(post(scene.url(), "health", heartbeats(pause, scene.now())));
      scene.post(2);
      for (Sender& sender : scene.senders()) sender.set_patience(milliseconds(50));
      scene.post_while([&] {
        pass_some_time(scene.random(), milliseconds(50));
        scene.daemon().signal(SIGSTOP);
        ASSERT_TRUE(eventually(
            [&] { return process_status(scene.daemon().pid(), "State").starts_with("T"); }));
        pass_some_time(scene.random(), milliseconds(200));
        scene.pass(60);
        scene.daemon().signal(SIGCONT);
      });
      for (Sender& sender : scene.senders()) sender.set_patience(Millis(20'000));
      ASSERT_TRUE(scene.flush());
    }
    for (const event::StoredEvent& each : scene.read("health")) {
      const auto& health = std::get<event::Health>(each.event.payload);
      EXPECT_NE(health.status, event::HealthStatus::down)
          << health.site << ": " << health.reason << " at " << format_instant(each.event.time);
    }
    all += scene.check();
  }
  report("pause", all);
}

}  // namespace
}  // namespace isochrone::test
