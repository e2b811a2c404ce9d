// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <memory>
#include <optional>
#include <thread>

#include "base/bell.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "base/poll_set.h"
#include "base/worker.h"

namespace isochrone {
namespace {

using ::testing::ElementsAre;

TEST(Loop, RunsUntilNothingIsLeft) {
  Loop loop;
  loop.run();  // returns
}

TEST(Loop, AStopBeforeRunHolds) {
  Loop loop;
  Timer timer(loop, [] {});
  timer.start(Millis(0), Millis(1));  // would keep it running for ever
  loop.stop();
  loop.run();
}

TEST(Loop, ItsClocksGoForward) {
  Loop loop;
  const Monotonic first = loop.now();
  EXPECT_GE(loop.now(), first);
  EXPECT_GT(loop.wall(), from_unix_nanos(0));
}

TEST(Timer, FiresOnceOrRepeatedly) {
  Loop loop;
  int once = 0;
  int often = 0;
  Timer single(loop, [&] { ++once; });
  std::optional<Timer> repeated;
  repeated.emplace(loop, [&] {
    if (++often == 3) repeated->stop();
  });
  single.start(Millis(0));
  repeated->start(Millis(0), Millis(1));
  loop.run();
  EXPECT_EQ(once, 1);
  EXPECT_EQ(often, 3);
}

TEST(Timer, FiresInOrderOfItsDelays) {
  Loop loop;
  std::vector<int> order;
  Timer late(loop, [&] { order.push_back(2); });
  Timer early(loop, [&] { order.push_back(1); });
  late.start(Millis(5));
  early.start(Millis(1));
  loop.run();
  EXPECT_THAT(order, ElementsAre(1, 2));
}

TEST(Timer, OneThatIsStoppedOrDestroyedDoesNotFire) {
  Loop loop;
  bool fired = false;
  Timer stopped(loop, [&] { fired = true; });
  stopped.start(Millis(0));
  stopped.stop();
  {
    Timer destroyed(loop, [&] { fired = true; });
    destroyed.start(Millis(0));
  }
  loop.run();
  EXPECT_FALSE(fired);
}

TEST(Timer, MayDestroyItselfWhileFiring) {
  Loop loop;
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>(loop, [&] { timer.reset(); });
  timer->start(Millis(0));
  loop.run();
  EXPECT_EQ(timer, nullptr);
}

TEST(Poll, TellsWhenThereIsSomethingToRead) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const Fd reader(ends[0]);
  const Fd writer(ends[1]);
  Loop loop;
  unsigned seen = 0;
  Poll poll(loop, reader.get(), [&](unsigned ready) {
    seen = ready;
    loop.stop();
  });
  poll.watch(Poll::readable);
  ASSERT_EQ(::write(writer.get(), "x", 1), 1);
  loop.run();
  EXPECT_EQ(seen, Poll::readable);
}

TEST(Poll, TellsWhenThereIsRoomToWrite) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const Fd reader(ends[0]);
  const Fd writer(ends[1]);
  Loop loop;
  unsigned seen = 0;
  Poll poll(loop, writer.get(), [&](unsigned ready) {
    seen = ready;
    loop.stop();
  });
  poll.watch(Poll::writable);
  loop.run();
  EXPECT_EQ(seen, Poll::writable);
}

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    reader = Fd(ends[0]);
    writer = Fd(ends[1]);
  }
  void write() const { EXPECT_EQ(::write(writer.get(), "x", 1), 1); }

  Fd reader;
  Fd writer;
};

TEST(PollSet, TellsEachMemberWhatItWatches) {
  Loop loop;
  PollSet set(loop);
  const Pipe quiet;
  const Pipe busy;
  std::string seen;
  PollSet::Member silent(set, quiet.reader.get(), [&](unsigned) { seen += "silent "; });
  PollSet::Member reader(set, busy.reader.get(), [&](unsigned ready) {
    seen += ready == Poll::readable ? "readable " : "?";
    reader.watch(0);
  });
  PollSet::Member writer(set, quiet.writer.get(), [&](unsigned ready) {
    seen += ready == Poll::writable ? "writable " : "?";
    if (seen.size() > 30) loop.stop();
  });
  silent.watch(Poll::readable);
  reader.watch(Poll::readable);
  busy.write();
  Timer later(loop, [&] { writer.watch(Poll::writable); });
  later.start(Millis(1));
  loop.run();
  // How often a member that stays ready is told again before the loop stops is the kernel's affair.
  EXPECT_THAT(seen, ::testing::StartsWith("readable writable writable writable "));
  EXPECT_THAT(seen, ::testing::Not(::testing::HasSubstr("silent")));
}

TEST(PollSet, MembersMayEndEachOther) {
  Loop loop;
  PollSet set(loop);
  const Pipe first;
  const Pipe second;
  std::unique_ptr<PollSet::Member> one;
  std::unique_ptr<PollSet::Member> other;
  int calls = 0;
  // Whoever is told first ends both: what waits for the other must not be delivered.
  const auto end_both = [&](unsigned) {
    ++calls;
    one.reset();
    other.reset();
    loop.stop();
  };
  one = std::make_unique<PollSet::Member>(set, first.reader.get(), end_both);
  other = std::make_unique<PollSet::Member>(set, second.reader.get(), end_both);
  one->watch(Poll::readable);
  other->watch(Poll::readable);
  first.write();
  second.write();
  loop.run();
  EXPECT_EQ(calls, 1);
}

TEST(PollSet, AHangUpArrivesAsReadableAndWritable) {
  Loop loop;
  PollSet set(loop);
  Pipe ended;
  unsigned seen = 0;
  PollSet::Member reader(set, ended.reader.get(), [&](unsigned ready) {
    seen = ready;
    loop.stop();
  });
  reader.watch(Poll::readable);
  ended.writer = Fd();
  loop.run();
  EXPECT_EQ(seen, Poll::readable | Poll::writable);
}

TEST(Wakeup, ComesFromAnotherThread) {
  Loop loop;
  std::thread::id woken_in;
  Wakeup wakeup(loop, [&] {
    woken_in = std::this_thread::get_id();
    loop.stop();
  });
  std::thread other([&] { wakeup.notify(); });
  loop.run();
  other.join();
  EXPECT_EQ(woken_in, std::this_thread::get_id());
}

TEST(SignalWatch, SeesASignal) {
  Loop loop;
  int raised = 0;
  SignalWatch watch(loop, SIGUSR1, [&] {
    ++raised;
    loop.stop();
  });
  ASSERT_EQ(::raise(SIGUSR1), 0);
  loop.run();
  EXPECT_EQ(raised, 1);
}

TEST(Mailbox, DeliversEverythingInTheOrderOfEachPoster) {
  constexpr int kEach = 1'000;
  Loop loop;
  std::array<std::vector<int>, 2> got;
  Mailbox<std::pair<std::size_t, int>> mailbox(loop, [&](auto messages) {
    for (const auto& [poster, number] : messages) got[poster].push_back(number);
    if (got[0].size() + got[1].size() == 2 * kEach) loop.stop();
  });
  std::array<std::thread, 2> posters;
  for (std::size_t poster = 0; poster < posters.size(); ++poster) {
    posters[poster] = std::thread([&mailbox, poster] {
      for (int i = 0; i < kEach; ++i) mailbox.post({poster, i});
    });
  }
  loop.run();
  for (std::thread& poster : posters) poster.join();
  for (const auto& numbers : got) {
    EXPECT_EQ(numbers.size(), static_cast<std::size_t>(kEach));
    EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
  }
}

TEST(Worker, RunsItsBodyInANamedThreadAndStops) {
  Bell started;
  std::string name;
  Worker worker("isochrone-test-worker", std::nullopt, [&](Loop& loop) {
    std::array<char, 16> text{};
    pthread_getname_np(pthread_self(), text.data(), text.size());
    name = text.data();
    Timer alive(loop, [] {});
    alive.start(Millis(1'000'000));
    started.ring();
    loop.run();
  });
  ASSERT_TRUE(started.wait(Millis(20'000)));
  worker.stop();
  worker.stop();
  EXPECT_EQ(name, "isochrone-test-");
}

TEST(Worker, ADestructorBeforeItsLoopRunsStopsItToo) {
  Worker worker("short", 0U, [](Loop& loop) {
    Timer alive(loop, [] {});
    alive.start(Millis(1'000'000));
    loop.run();
  });
}

TEST(Bell, ARingBeforeTheWaitIsNotLostAndManyAreOne) {
  Bell bell;
  EXPECT_FALSE(bell.wait(Millis(0)));
  bell.ring();
  bell.ring();
  EXPECT_TRUE(bell.wait(Millis(0)));
  EXPECT_FALSE(bell.wait(Millis(0)));
}

TEST(Fd, ClosesWhatItOwnsOnce) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  Fd first(ends[0]);
  const Fd other(ends[1]);
  Fd second(std::move(first));
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): what a moved-from Fd is, is its contract
  EXPECT_EQ(second.get(), ends[0]);
  second.reset();
  EXPECT_EQ(::write(other.get(), "", 0), 0);
  EXPECT_EQ(::close(ends[0]), -1);  // closed already
}

}  // namespace
}  // namespace isochrone
