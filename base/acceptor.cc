// SPDX-License-Identifier: Apache-2.0
#include "base/acceptor.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace isochrone {
namespace {

constexpr Millis kForever{60'000};
// Without a descriptor the connection stays in the queue, so its news would come again at once.
constexpr Millis kPause{100};

}  // namespace

Acceptor::Acceptor(unsigned max_open, Take take) : max_open_(max_open), take_(std::move(take)) {}

void Acceptor::start(Fd listener) {
  listener_ = std::move(listener);
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "accept");
    run();
  });
}

Acceptor::~Acceptor() { stop(); }

void Acceptor::stop() {
  is_stopping_.store(true);
  news_.ring();
  if (thread_.joinable()) thread_.join();
  listener_.reset();
}

void Acceptor::left() {
  if (open_.fetch_sub(1) == max_open_) news_.ring();
}

void Acceptor::run() {
  while (!is_stopping_.load()) {
    if (open_.load() >= max_open_) {
      news_.wait(kForever);
    } else if (wait_for_connection()) {
      accept_one();
    }
  }
}

bool Acceptor::wait_for_connection() {
  std::array<pollfd, 2> waiting{{{listener_.get(), POLLIN, 0}, {news_.descriptor(), POLLIN, 0}}};
  if (::poll(waiting.data(), waiting.size(), -1) <= 0) return false;
  if (waiting[1].revents != 0) news_.wait(Millis(0));
  return waiting[0].revents != 0 && !is_stopping_.load();
}

void Acceptor::accept_one() {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  Fd connection(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &size,
                          SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection) {
    const int why = errno;
    if (why == EMFILE || why == ENFILE || why == ENOBUFS || why == ENOMEM) news_.wait(kPause);
    return;  // anything else is the end of that one connection, or of nobody's wait
  }
  open_.fetch_add(1);
  if (!take_(std::move(connection), &peer, size)) left();
}

}  // namespace isochrone
