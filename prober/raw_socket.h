// SPDX-License-Identifier: Apache-2.0
//
// RawSocket: packets of one protocol and family in and out, with the kernel's timestamps.
//
// Threads:   used by the prober's loop; open() may run elsewhere before.
// Cost:      a filter in the kernel drops what is not ours, so that a busy edge's TCP costs us
//            nothing. send() is one system call, receive() one per kBatch packets; no allocation.
// Needs:     CAP_NET_RAW in the network namespace's user namespace.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/ip.h"
#include "base/result.h"
#include "base/time.h"
#include "prober/probe.h"

namespace isochrone::prober {

class RawSocket {
 public:
  // Both lie in the answers: an ICMP identifier, or the first of kSourcePorts ports.
  struct Filter {
    Method method = Method::icmp;
    std::uint16_t ours = 0;
  };
  // `source` is bound when given. An error of code unavailable: this machine lacks the family.
  static Result<RawSocket> open(Family family, const Filter& filter,
                                const std::optional<Address>& source);

  int fd() const noexcept { return fd_.get(); }

  // Sends a probe's transport segment; 0, or the errno of what refused it.
  int send(const Probe& probe, Bytes segment) noexcept;

  // Each waiting packet without its IP header; `received` is the kernel's time.
  using Receive = std::function<void(const Address& from, Bytes segment, Instant received)>;
  void receive(const Receive& receive);

  // Each send time the kernel has noted since.
  using Stamped = std::function<void(std::uint64_t sequence, Instant sent)>;
  void collect_stamps(const Stamped& stamped);

  static constexpr std::size_t kBatch = 64;

 private:
  struct Buffers;
  RawSocket(Fd fd, Family family);

  Fd fd_;
  Family family_;
  std::unique_ptr<Buffers, void (*)(Buffers*)> buffers_;
  // Send keys count from 0; the error queue is emptied far more often than this comes round.
  std::array<std::uint64_t, 1024> sequence_of_key_{};
  std::uint32_t next_key_ = 0;
  std::uint32_t unstamped_ = 0;  // sends whose stamp has not come yet
};

}  // namespace isochrone::prober
