// SPDX-License-Identifier: Apache-2.0
#include "app/notifier.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/text.h"

namespace isochrone::app {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

// 0 for none. The variables may be meant for another process that passed them on by mistake.
std::int64_t watchdog_from_environment() {
  const auto pid = environment("WATCHDOG_PID");
  if (!pid.empty() && parse_number<pid_t>(pid) != ::getpid()) return 0;
  return parse_number<std::int64_t>(environment("WATCHDOG_USEC")).value_or(0);
}

}  // namespace

Notifier::Notifier() : Notifier(environment("NOTIFY_SOCKET"), watchdog_from_environment()) {}

Notifier::Notifier(const std::string& path, std::int64_t watchdog_us) : path_(path) {
  if (path_.empty() || path_.size() >= sizeof(sockaddr_un::sun_path)) return;
  socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (watchdog_us < 2'000) return;
  watchdog_us_ = watchdog_us;
  watchdog_ = std::chrono::duration_cast<Millis>(Micros(watchdog_us)) / 2;
}

void Notifier::send(const std::string& state) {
  if (!socket_) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, path_.data(), path_.size());
  if (to.sun_path[0] == '@') to.sun_path[0] = '\0';  // an abstract socket
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size());
  // A manager that does not listen is its own trouble: it will time out and say so.
  (void)::sendto(socket_.get(), state.data(), state.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&to), length);
}

}  // namespace isochrone::app
