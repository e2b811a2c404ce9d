// SPDX-License-Identifier: Apache-2.0
//
// XdpSocket: frames of one receive queue, in memory shared with the kernel, without its network stack.
//
// Threads:    one at a time; dropped() any.
// Ownership:  half of the frames circulate between the kernel and receive()/release(), the other half
//             between reply_room() and the kernel. The socket owns the memory of both.
// Cost:       8 MiB a socket; per batch one system call in copy mode to send, none to receive.
// Order:      receive, then for each frame reply_room and commit if it is answered, then release and
//             transmit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace isochrone::dns {

class XdpSocket {
 public:
  // As many frames as receive() takes at most: they hide the cost of a system call.
  static constexpr unsigned kBatch = 64;
  // 10 ms at 200 k/s wait while a worker compiles or sleeps; a power of two, as rings are.
  static constexpr std::uint32_t kRing = 2'048;
  // Two to a page; the kernel keeps the first 256 octets of those it fills (XDP_PACKET_HEADROOM).
  static constexpr std::size_t kFrameOctets = 2'048;
  static constexpr std::size_t kMaxReceiveOctets = kFrameOctets - 256;

  static Result<XdpSocket> open(const std::string& interface, unsigned queue, bool zero_copy);
  XdpSocket(XdpSocket&&) noexcept;
  XdpSocket& operator=(XdpSocket&&) noexcept;
  ~XdpSocket();

  // Readable while frames wait.
  int fd() const noexcept;

  // How many frames wait, at most kBatch; they are valid until release().
  unsigned receive() noexcept;
  Bytes frame(unsigned index) const noexcept;
  void release() noexcept;

  // A frame to write a reply into; empty while all are on their way.
  MutableBytes reply_room() noexcept;
  // Puts the frame that reply_room() gave, with so many octets, in line.
  void commit(std::size_t octets) noexcept;
  unsigned in_line() const noexcept;
  // Hands what is in line to the kernel; false when it did not take all: try again soon.
  bool transmit() noexcept;

  // Why nothing comes any more (ENETDOWN when the interface is gone); 0 while all is well.
  int trouble() const noexcept;
  // Frames that the kernel dropped because they came faster than they were taken.
  std::uint64_t dropped() const noexcept;

 private:
  struct Rings;
  explicit XdpSocket(std::unique_ptr<Rings> rings) noexcept;
  std::unique_ptr<Rings> rings_;
};

}  // namespace isochrone::dns
