// SPDX-License-Identifier: Apache-2.0
//
// Acceptor: a thread that takes the connections of one listening socket.
//
// Threads:  `take` runs in the acceptor's thread. left() from any thread.
// Limits:   `max_open` connections at a time; those beyond wait in the kernel's queue until left() has
//           been called for one. Out of descriptors it pauses, and goes on by itself.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "base/bell.h"
#include "base/fd.h"

namespace isochrone {

class Acceptor {
 public:
  // True: the connection is open until left() tells otherwise. `peer` is a sockaddr of accept4(2).
  using Take = std::function<bool(Fd connection, const void* peer, unsigned peer_size)>;

  Acceptor(unsigned max_open, Take take);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // `listener` is not blocking.
  void start(Fd listener);
  void left();
  // Takes no more, and leaves those that wait to whoever else has the socket. The destructor calls it.
  void stop();

 private:
  void run();
  bool wait_for_connection();
  void accept_one();

  Fd listener_;
  const unsigned max_open_;
  const Take take_;
  std::atomic<unsigned> open_{0};
  std::atomic<bool> is_stopping_{false};
  Bell news_;  // a connection has gone, or this stops
  std::thread thread_;
};

}  // namespace isochrone
