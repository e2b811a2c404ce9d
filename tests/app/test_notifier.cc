// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

#include "app/notifier.h"
#include "base/fd.h"
#include "tests/app/scratch.h"

namespace isochrone::app {
namespace {

// The service manager's end.
class Manager {
 public:
  Manager() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const std::string path = (scratch_.path() / "notify").string();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~Manager() {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }

  std::string heard() const {
    std::array<char, 256> bytes{};
    const auto size = ::recv(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    return size < 0 ? std::string() : std::string(bytes.data(), static_cast<std::size_t>(size));
  }

 private:
  Scratch scratch_;
  Fd socket_;
};

TEST(Notifier, TellsTheManagerInItsWords) {
  const Manager manager;
  Notifier notifier;
  notifier.ready("node=ns1");
  EXPECT_EQ(manager.heard(), "READY=1\nSTATUS=node=ns1");
  notifier.stopping();
  EXPECT_EQ(manager.heard(), "STOPPING=1");
}

TEST(Notifier, IsAliveTwiceAsOftenAsTheManagerAsks) {
  const Manager manager;
  ::setenv("WATCHDOG_USEC", "3000000", 1);
  EXPECT_EQ(Notifier().watchdog(), Millis(1'500));
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(Notifier().watchdog(), std::nullopt) << "the variable is another process's";
}

TEST(Notifier, WithoutAManagerSaysNothing) {
  Notifier notifier;
  notifier.ready("");
  EXPECT_EQ(notifier.watchdog(), std::nullopt);
}

}  // namespace
}  // namespace isochrone::app
