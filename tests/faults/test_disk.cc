// SPDX-License-Identifier: Apache-2.0
//
// A disk that loses what was not synced, that tears what was being written, that is full.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>

#include "tests/faults/power_cut.h"
#include "tests/faults/scene.h"
#include "tests/support/tiny_disk.h"

namespace isochrone::test {
namespace {

using std::chrono::milliseconds;

// Lives that end by a cut of the power while others post.
void cut_power(Scene& scene, PowerCut::Unsynced unsynced, bool believes = true) {
  const PowerCut power(scene.state_dir(), scene.path("keep"));
  const auto start = [&] { return scene.start([&] { power.prepare(believes); }); };
  for (int life = 0; life < 3; ++life) {
    ASSERT_TRUE(start());
    if (believes) {
      ASSERT_TRUE(scene.flush());
    }
    scene.post(2);
    scene.pass(1'200);
    scene.post_while([&] {
      pass_some_time(scene.random(), milliseconds(120));
      scene.daemon().signal(SIGKILL);
    });
    scene.kill();
    power.cut(unsynced, scene.random());
  }
  ASSERT_TRUE(start());
}

TEST(Faults, UnsyncedDataIsLost) {
  Findings all;
  for (unsigned round = 0; round < fault_rounds() && !HasFailure(); ++round) {
    SCOPED_TRACE(round);
    Scene scene(round);
    cut_power(scene, PowerCut::Unsynced::lost);
    all += scene.check();
  }
  report("unsynced-lost", all);
}

TEST(Faults, TheLastWriteIsTorn) {
  Findings all;
  for (unsigned round = 0; round < fault_rounds() && !HasFailure(); ++round) {
    SCOPED_TRACE(round);
    Scene scene(round);
    cut_power(scene, PowerCut::Unsynced::torn);
    all += scene.check();
  }
  report("torn-write", all);
}

// With a disk that lies about what it synced, the same checker finds what is missing.
TEST(Faults, TheCheckerSeesWhatALyingDiskLoses) {
  Scene scene(1);
  for (Sender& sender : scene.senders()) sender.set_gives_up(true);
  cut_power(scene, PowerCut::Unsynced::lost, false);
  const Findings found = scene.history().compare(scene.read("measurement"));
  EXPECT_GT(found.acknowledged, 0U);
  EXPECT_EQ(found.lost, found.acknowledged);
}

// Posts are refused with 503 and a reason, reads are answered, and it goes on by itself.
TEST(Faults, TheDiskIsFull) {
  Findings all;
  for (unsigned round = 0; round < fault_rounds() && !HasFailure(); ++round) {
    SCOPED_TRACE(round);
    Scene scene(round);
    ASSERT_TRUE(scene.start([&] { mount_tiny_disk(scene.state_dir(), "8m"); }));
    const std::string disk = seen_by(scene.daemon().pid(), scene.state_dir());
    for (int time = 0; time < 2; ++time) {
      scene.post(2);
      scene.post_while([&] {
        pass_some_time(scene.random(), milliseconds(50));
        fill(disk);
        EXPECT_TRUE(scene.daemon().hears("posts are refused")) << scene.daemon().log();
      });
      Sender& refused = scene.senders().front();
      EXPECT_FALSE(refused.post(scene.url()));
      EXPECT_EQ(refused.status(), 503) << refused.answer();
      EXPECT_NE(refused.answer().find("cannot be written"), std::string::npos) << refused.answer();
      EXPECT_FALSE(scene.read("measurement").empty());
      EXPECT_FALSE(get_json(scene.url(), "/v1/status").empty());
      make_room(disk);
      ASSERT_TRUE(scene.flush()) << scene.daemon().log();
      EXPECT_TRUE(scene.daemon().hears("event log writes again")) << scene.daemon().log();
    }
    all += scene.check();
  }
  report("full-disk", all);
}

}  // namespace
}  // namespace isochrone::test
