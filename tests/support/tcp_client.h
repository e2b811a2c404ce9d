// SPDX-License-Identifier: Apache-2.0
//
// TcpClient: one connection that does what no decent client would, from an address of its own choice.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/ip.h"

namespace isochrone::test {

class TcpClient {
 public:
  // Connects without waiting, from `source` when given; is_open() is false when that failed.
  explicit TcpClient(const Endpoint& server, std::optional<Address> source = std::nullopt);

  bool is_open() const { return static_cast<bool>(socket_); }
  // What the kernel takes of it at once, in octets; 0 when it is full or the connection is over.
  std::size_t send(Bytes bytes);
  // Whether the server has closed the connection; what it sent before is thrown away.
  bool is_closed_by_server(int wait_ms);
  // Whether something to read is there, or the end.
  bool is_readable(int wait_ms) const;

 private:
  Fd socket_;
};

// Length and message, as they go over TCP.
std::vector<std::uint8_t> framed(Bytes message);

}  // namespace isochrone::test
