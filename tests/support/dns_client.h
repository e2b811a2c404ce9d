// SPDX-License-Identifier: Apache-2.0
//
// DnsClient: one question with Client Subnet to a live server, over UDP or TCP, and what came back.
//
// Written apart from dns/: the test must not share the server's mistakes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ip.h"

namespace isochrone::test {

struct DnsReply {
  int rcode = -1;  // with the extended bits of EDNS
  bool is_authoritative = false;
  bool is_truncated = false;
  std::vector<Address> addresses;  // of A and AAAA in the answer section
  std::optional<int> scope;        // of the Client Subnet option
};

struct DnsQuestion {
  std::string name;
  std::uint16_t type = 1;        // A
  std::optional<Prefix> subnet;  // Client Subnet
};

std::vector<std::uint8_t> to_wire(const DnsQuestion& question, std::uint16_t id);
std::optional<DnsReply> parse_reply(Bytes reply, std::uint16_t id);

// Nothing when no answer came within a second: the caller asks again.
std::optional<DnsReply> ask(const Endpoint& server, const DnsQuestion& question);
std::optional<DnsReply> ask_tcp(const Endpoint& server, const DnsQuestion& question);

// Sends bytes as one datagram and returns what came back; empty when nothing did within `wait_ms`.
std::vector<std::uint8_t> exchange(const Endpoint& server, Bytes datagram, int wait_ms);

}  // namespace isochrone::test
