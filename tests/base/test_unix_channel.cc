// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "base/unix_channel.h"

namespace isochrone {
namespace {

constexpr Millis kPatience{10'000};

class UnixChannelTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "isochrone-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = folder_ / "socket";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // Both ends of a channel at `path_`.
  void join() {
    auto listening = listen_unix(path_);
    ASSERT_TRUE(listening) << listening.error().text();
    listener_ = std::move(*listening);
    auto made = UnixChannel::connect(path_);
    ASSERT_TRUE(made) << made.error().text();
    near_ = std::move(*made);
    far_ = std::move(*accept_unix(listener_));
  }

  std::filesystem::path folder_;
  std::filesystem::path path_;
  Fd listener_;
  UnixChannel near_;
  UnixChannel far_;
};

TEST_F(UnixChannelTest, CarriesTextsOneByOne) {
  join();
  ASSERT_TRUE(near_.send("first"));
  ASSERT_TRUE(near_.send(std::string(UnixChannel::kMaxText, 'x')));
  EXPECT_EQ(far_.receive(kPatience)->text, "first");
  EXPECT_EQ(far_.receive(kPatience)->text.size(), UnixChannel::kMaxText);
  EXPECT_EQ(far_.peer(), ::getpid());
}

TEST_F(UnixChannelTest, CarriesDescriptorsThatStayOpen) {
  join();
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Fd read_end(ends[0]);
  {
    const Fd write_end(ends[1]);
    const std::vector<int> many(UnixChannel::kMaxDescriptors, write_end.get());
    ASSERT_TRUE(near_.send("take", many));
  }
  const auto message = far_.receive(kPatience);
  ASSERT_TRUE(message);
  ASSERT_EQ(message->descriptors.size(), UnixChannel::kMaxDescriptors);
  EXPECT_EQ(::write(message->descriptors.back().get(), "!", 1), 1);
  char byte = 0;
  EXPECT_EQ(::read(read_end.get(), &byte, 1), 1);
  EXPECT_NE(::fcntl(message->descriptors.front().get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(UnixChannelTest, RefusesWhatIsTooLong) {
  join();
  EXPECT_FALSE(near_.send(std::string(UnixChannel::kMaxText + 1, 'x')));
  const std::vector<int> many(UnixChannel::kMaxDescriptors + 1, near_.fd());
  EXPECT_FALSE(near_.send("take", many));
}

TEST_F(UnixChannelTest, SaysThatTheOtherIsGoneOrSilent) {
  join();
  EXPECT_EQ(far_.receive(Millis(1)).error().text(), "the other process did not answer in time");
  near_.close();
  EXPECT_EQ(far_.receive(kPatience).error().text(), "the other process has gone");
  EXPECT_FALSE(far_.send("anybody?"));
}

TEST_F(UnixChannelTest, APeerThatDoesNotReadBlocksNobody) {
  join();
  const std::string much(UnixChannel::kMaxText, 'x');
  int sent = 0;
  while (sent < 1'000 && near_.send(much)) ++sent;
  EXPECT_LT(sent, 1'000);
}

TEST_F(UnixChannelTest, OneListensAtAPathAndIsFollowedWhenItIsGone) {
  join();
  const auto second = listen_unix(path_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Errc::unavailable);
  listener_.reset();
  EXPECT_TRUE(listen_unix(path_)) << "the file that is left is nobody's";
}

TEST_F(UnixChannelTest, APathMayBeLongerThanAnAddress) {
  folder_ /= std::string(100, 'd');
  std::filesystem::create_directory(folder_);
  path_ = folder_ / "socket";
  join();
  EXPECT_TRUE(near_.send("hello"));
  EXPECT_EQ(far_.receive(kPatience)->text, "hello");
  folder_ = folder_.parent_path();
}

}  // namespace
}  // namespace isochrone
