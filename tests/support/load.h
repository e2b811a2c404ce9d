// SPDX-License-Identifier: Apache-2.0
//
// Load: queries without end over UDP and TCP, every one counted.
//
// UDP:      several sockets with a few queries outstanding each; nothing is asked twice.
// TCP:      one connection per query, in a row; and one that stays open, where a server may close
//           between queries and the query that then got no answer is asked once more on another
//           (RFC 7766 section 6.2.4). Each in a thread of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "tests/support/dns_client.h"

namespace isochrone::test {

// One TCP connection, asked query by query.
class TcpConnection {
 public:
  explicit TcpConnection(const Endpoint& server);
  bool asks(const DnsQuestion& question) const;  // whether an address came back

 private:
  Fd socket_;
};

class Load {
 public:
  Load(const Endpoint& server, DnsQuestion question);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Returns when so many more queries of each kind were answered, or false when they were not.
  bool goes_on(std::uint64_t queries = 200);

  struct Kind {
    std::uint64_t asked = 0;
    std::uint64_t answered = 0;  // with an address
  };
  struct Counts {
    Kind udp;
    Kind tcp;
    Kind kept;                      // on the connection that stays open
    std::uint64_t asked_again = 0;  // of these
  };
  // Asks no more, and waits for the answers that are due.
  Counts stop();

 private:
  struct Shared {
    std::atomic<std::uint64_t> asked{0};
    std::atomic<std::uint64_t> answered{0};
    Kind counts() const { return {asked.load(), answered.load()}; }
  };
  void ask_over_udp();
  void ask_over_tcp();
  void ask_on_one_connection();

  const Endpoint server_;
  const DnsQuestion question_;
  std::atomic<bool> is_stopping_{false};
  Shared udp_;
  Shared tcp_;
  Shared kept_;
  std::atomic<std::uint64_t> asked_again_{0};
  std::vector<std::thread> threads_;
};

}  // namespace isochrone::test
