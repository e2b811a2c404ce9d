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

}  // namespace

Notifier::Notifier() : path_(environment("NOTIFY_SOCKET")) {
  if (path_.empty() || path_.size() >= sizeof(sockaddr_un::sun_path)) return;
  socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  // The variables may be meant for another process that passed them on by mistake.
  const auto pid = environment("WATCHDOG_PID");
  if (!pid.empty() && parse_number<pid_t>(pid) != ::getpid()) return;
  const auto micros = parse_number<std::int64_t>(environment("WATCHDOG_USEC"));
  if (micros && *micros >= 2'000) {
    watchdog_ = std::chrono::duration_cast<Millis>(Micros(*micros)) / 2;
  }
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
