// SPDX-License-Identifier: Apache-2.0
//
// Events that come twice, late, in any order, under ids that are taken; a collector's clock that is set.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include "event/codec.h"
#include "tests/faults/scene.h"

namespace isochrone::test {
namespace {

using std::chrono::milliseconds;

// Batches of few sources, each posted one to three times by whichever thread comes to it, over a kill.
TEST(Faults, DuplicatedAndReorderedDelivery) {
  Findings all;
  for (unsigned round = 0; round < fault_rounds() && !HasFailure(); ++round) {
    SCOPED_TRACE(round);
    Scene scene(round);
    ASSERT_TRUE(scene.start());
    auto batches = scene.senders().front().batches(20);
    for (Sender& sender : scene.senders()) {
      for (auto& batch : sender.batches(20)) batches.push_back(std::move(batch));
    }
    std::uint64_t events = 0;
    for (const auto& batch : batches) events += batch.size();
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < batches.size(); ++i) {
      for (std::uint64_t n = 1 + scene.random().below(3); n > 0; --n) order.push_back(i);
    }
    for (std::size_t i = order.size(); i > 1; --i) {
      std::swap(order[i - 1], order[scene.random().below(i)]);
    }
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<std::size_t> next{0};
    const auto deliver = [&](std::size_t end) {
      std::vector<std::thread> threads;
      for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, end] {
          for (std::size_t at = next++; at < end; at = next++) {
            const auto& batch = batches[order[at]];
            std::string body;
            for (const event::Event& event : batch) body += event::to_json(event) + "\n";
            const auto posted = post(scene.url(), "measurement", body);
            ASSERT_TRUE(posted && posted->status == 200);
            accepted += posted->body.at("accepted").get<std::uint64_t>();
            scene.history().acknowledged(batch);
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
    };
    deliver(order.size() / 2);
    next = order.size() / 2;
    ASSERT_TRUE(scene.start());
    deliver(order.size());
    EXPECT_EQ(accepted.load(), events);
    event::Event forged = batches.front().front();
    std::get<event::Measurement>(forged.payload).rtt = Micros(1);
    const auto refused = post(scene.url(), "measurement", event::to_json(forged) + "\n");
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->status, 409);
    Findings found = scene.check();
    found.incidents = found.incidents == 1 ? 0 : found.incidents + 1;
    all += found;
  }
  report("delivery", all);
}

// The wall clock of the collector is set forward and back, by seconds or by days, and it is killed on
// the way. Which events came late depends on when, so states are not those of the log alone; but they
// follow what is measured from then on, whatever the clock said before.
TEST(Faults, ClockSteps) {
  constexpr std::int64_t kHour = 3'600;
  constexpr std::array<std::int64_t, 8> kSteps{-40 * kHour, -2 * kHour, -90,       -20,
                                               20,          90,         2 * kHour, 40 * kHour};
  constexpr const char* kLast = "203.0.113.0/24";
  Findings all;
  for (unsigned round = 0; round < fault_rounds() && !HasFailure(); ++round) {
    SCOPED_TRACE(round);
    Scene scene(round);
    ASSERT_TRUE(scene.start());
    // An event made just before a step back lies in the future after it.
    for (Sender& sender : scene.senders()) sender.set_gives_up(true);
    std::string tried;
    for (int step = 0; step < 4; ++step) {
      scene.post(2);
      scene.post_while([&] {
        const std::int64_t seconds = kSteps[scene.random().below(kSteps.size())];
        tried += fmt::format("{} ", seconds);
        scene.pass(seconds);
        pass_some_time(scene.random(), milliseconds(100));
        if (step == 2) scene.daemon().signal(SIGKILL);
      });
      if (step == 2) {
        ASSERT_TRUE(scene.start());
      }
    }
    ASSERT_TRUE(scene.flush());
    const auto late = [&] { return get_json(scene.url(), "/v1/status").at("windows").at("late"); };
    const auto before = late();
    scene.post(3);
    EXPECT_EQ(late(), before) << scene.daemon().log();
    Findings found = scene.history().compare(scene.read("measurement"));
    // A network of its own: what is open may be closed at once when a step back is noticed.
    auto last = nlohmann::json::parse(measurement("fra", kLast, 9'000, 1, "last"));
    last["time"] = format_instant(scene.now());
    ASSERT_TRUE(post(scene.url(), "measurement", last.dump() + "\n"));
    scene.pass(1'200);
    const bool is_known = eventually([&] {
      const auto states = scene.read("state");
      return std::any_of(states.begin(), states.end(), [](const event::StoredEvent& each) {
        return std::get<event::State>(each.event.payload).prefix.to_string() == kLast;
      });
    });
    if (!is_known) {
      ++found.states;
      fmt::print(stderr, "round {}: no state, steps {}\n{}\n{}", round, tried,
                 get_json(scene.url(), "/v1/status").dump(), scene.daemon().log());
    }
    all += found;
  }
  report("clock-steps", all);
}

}  // namespace
}  // namespace isochrone::test
