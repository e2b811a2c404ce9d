// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "base/published.h"

namespace isochrone {
namespace {

TEST(Published, AReaderSeesANewSnapshotAtItsNextRefresh) {
  Published<int> published(std::make_shared<int>(1));
  Published<int>::Reader reader(published);
  published.publish(std::make_shared<int>(2));
  EXPECT_EQ(reader.get(), 1);
  EXPECT_EQ(reader.refresh(), 2);
  EXPECT_EQ(*published.current(), 2);
}

TEST(Published, ASnapshotInUseOutlivesItsSuccessor) {
  Published<int> published(std::make_shared<int>(1));
  Published<int>::Reader reader(published);
  const std::weak_ptr<const int> first = reader.shared();
  published.publish(std::make_shared<int>(2));
  EXPECT_FALSE(first.expired());
  EXPECT_EQ(reader.get(), 1);
}

TEST(Published, ThePublisherAndNotTheReaderFreesWhatIsReplaced) {
  Published<int> published(std::make_shared<int>(1));
  Published<int>::Reader reader(published);
  const std::weak_ptr<const int> first = reader.shared();
  published.publish(std::make_shared<int>(2));
  reader.refresh();
  EXPECT_FALSE(first.expired());  // the reader let go, the publisher holds it
  published.retire();
  EXPECT_TRUE(first.expired());
}

TEST(Published, ReadersOnOtherThreadsNeverGoBack) {
  constexpr int kLast = 10'000;
  Published<int> published(std::make_shared<int>(0));
  std::atomic<bool> went_back{false};
  const auto read = [&] {
    Published<int>::Reader reader(published);
    for (int seen = 0; seen < kLast;) {
      const int now = reader.refresh();
      if (now < seen) went_back = true;
      seen = now;
    }
  };
  std::thread first(read);
  std::thread second(read);
  for (int i = 1; i <= kLast; ++i) published.publish(std::make_shared<int>(i));
  first.join();
  second.join();
  EXPECT_FALSE(went_back);
}

}  // namespace
}  // namespace isochrone
