// SPDX-License-Identifier: Apache-2.0
//
// TcpDiag: what the kernel knows of the TCP connections of some local ports.
//
// Threads:  one at a time.
// Cost:     the kernel fills one piece (at most kMaxPieceBytes, about 90 connections) per read() and stops in
//           between, so the reader sets the pace; ports are sorted out before they are copied.
// Needs:    no capability. The network namespace is the one open() is called in.
// Errors:   a piece that is not well formed ends the dump.
// Source:   sock_diag(7), linux/inet_diag.h, linux/tcp.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/ip.h"
#include "base/result.h"
#include "base/time.h"

namespace isochrone::prober {

// One connection. Counts are of its whole life.
struct Connection {
  std::uint64_t cookie = 0;  // the kernel's name for it, never used twice
  Address client;
  std::uint16_t local_port = 0;
  Micros rtt{0};               // smoothed
  Micros deviation{0};         // mean deviation of the samples `rtt` is made of
  Micros min_rtt{0};           // of the last five minutes (net.ipv4.tcp_min_rtt_wlen)
  Millis quiet{0};             // since the client last acknowledged something
  std::uint32_t segments = 0;  // with data, repeated ones included
  std::uint32_t repeated = 0;  // sent again, but for those that had arrived after all
};

enum class Piece : std::uint8_t { more, end, broken };

constexpr std::size_t kMaxPieceBytes = 32 * 1024;

// Appends the connections of one piece of a dump. A connection without an RTT is left out.
Piece parse_piece(Bytes bytes, std::vector<Connection>& to);

// The filter that lets pass who has one of `ports` (at least one) at our end, as the kernel takes it.
std::vector<std::uint8_t> port_filter(std::span<const std::uint16_t> ports);

class TcpDiag {
 public:
  static Result<TcpDiag> open();

  // Begins a dump of the connections of one family; one at a time.
  Result<void> begin(Family family, std::span<const std::uint16_t> ports);
  // The next piece of it.
  Piece read(std::vector<Connection>& to);

 private:
  explicit TcpDiag(Fd fd) : fd_(std::move(fd)), buffer_(kMaxPieceBytes) {}

  Fd fd_;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace isochrone::prober
