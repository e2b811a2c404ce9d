// SPDX-License-Identifier: Apache-2.0
//
// A day of events in virtual time: memory stays flat.
#include <gtest/gtest.h>
#include <malloc.h>

#include "tests/sim/world.h"

namespace isochrone::sim {
namespace {

using std::chrono::hours;

constexpr Micros kNoise{1'000};

// Everything that could grow, after so much time.
struct Size {
  std::size_t heap_bytes;
  std::size_t prefixes;
  std::size_t samples_open;
  std::size_t windows_open;
  std::size_t targets;
  std::size_t sources;
  std::size_t gaps;
};

Size size_of(const World& world) {
  const auto& core = world.core();
  return {mallinfo2().uordblks,
          core.state().size(),
          core.windows().open_samples(),
          core.windows().open_windows(),
          core.targets().size(),
          core.dedup().sources(),
          core.dedup().gaps()};
}

// Each path is measured every two minutes, an eighth of what a prober does by default: growth per
// hour shows as well, and the day passes in seconds.
Shape thinned() {
  Shape shape;
  shape.prefixes_per_round = 25;
  return shape;
}

void run_hours(World& world, int from, int to, const Path& path) {
  for (int hour = from; hour < to; ++hour) {
    world.run(hours(hour + 1), path);
    world.restart_probers();
  }
}

TEST(Day, LeavesMemoryFlat) {
  World world(thinned());
  world.ask_from(25);
  const Path path = [&](std::size_t site, std::size_t prefix) {
    return world.quiet(site, prefix, kNoise);
  };
  run_hours(world, 0, 2, path);
  const Size early = size_of(world);
  run_hours(world, 2, 24, path);
  const Size late = size_of(world);

  EXPECT_GT(world.measured(), 1'500'000U);
  EXPECT_EQ(late.prefixes, 300U);
  EXPECT_EQ(late.prefixes, early.prefixes);
  EXPECT_EQ(late.targets, early.targets);
  EXPECT_EQ(late.sources, early.sources);
  EXPECT_LE(late.windows_open, 2U);  // the one that fills and the one that waits for late events
  EXPECT_LE(late.samples_open, 2U * 25 * 8);
  EXPECT_LE(late.gaps, 1U);  // at most one batch is held back by the network
  // The two moments may differ by the samples of one open window and by vectors that doubled.
  EXPECT_LE(late.heap_bytes, early.heap_bytes + (256 << 10));
}

// Clients come and go: what nobody measures any more is forgotten after the path lifetime of 1 h.
TEST(Day, ForgetsNetworksThatWentAway) {
  Shape shape = thinned();
  shape.prefixes = 100;
  World world(shape);
  const Path path = [&](std::size_t site, std::size_t prefix) {
    return world.quiet(site, prefix, kNoise);
  };
  for (int hour = 0; hour < 12; ++hour) {
    world.move_to(static_cast<std::size_t>(hour) * 100);
    world.run(hours(hour + 1), path);
    // Those of this hour and, until their last measurement is an hour old, of the one before.
    EXPECT_LE(world.core().state().size(), 200U) << "after hour " << hour + 1;
    EXPECT_EQ(world.followed().size(), world.core().state().size());
  }
}

}  // namespace
}  // namespace isochrone::sim
