// SPDX-License-Identifier: Apache-2.0
//
// RawSocket: packets of one method and family out and in, with the kernel's timestamps.
//
// Threads:   used by the prober's loop; open() may run elsewhere before.
// Cost:      a filter in the kernel drops what is not ours, so that a busy edge's TCP costs us
//            nothing. One system call per kBatch packets each way; no allocation.
// Needs:     CAP_NET_RAW in the network namespace's user namespace. Without it ICMP echo works where
//            net.ipv4.ping_group_range allows it, and DNS always; see has_errors().
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/ip.h"
#include "base/loop.h"
#include "base/result.h"
#include "base/time.h"
#include "prober/probe.h"

namespace isochrone::prober {

class RawSocket {
 public:
  // What lies in answers to us: an ICMP identifier, or source ports in what ICMP errors quote.
  struct Filter {
    std::uint16_t identifier = 0;
    std::uint16_t source_base = 0;  // the first of kSourcePorts
    std::uint16_t dns_port = 0;     // of our DNS socket in this family; 0: none
  };
  // `source` is bound when given. An error of code unavailable: this machine lacks the family.
  static Result<RawSocket> open(Family family, Method method, const Filter& filter,
                                const std::optional<Address>& source);

  int fd() const noexcept { return fd_.get(); }
  // What the kernel put in place of the identifier or port asked for; 0 for raw sockets.
  std::uint16_t local_port() const noexcept { return local_port_; }
  // Whether ICMP errors arrive here.
  bool has_errors() const noexcept { return has_errors_; }

  // Takes a probe's packet to be sent with the next flush(); flush() first when is_full().
  bool is_full() const noexcept { return queued_ == kBatch; }
  MutableBytes room() noexcept;
  void queue(const Probe& probe, std::size_t length, std::uint16_t port = 0) noexcept;

  // Sends what is queued; `refused` gets each sequence that the kernel did not take, and its errno.
  // Without the kernel's stamps `stamped` gets times between those of the clock before and after.
  using Refused = std::function<void(std::uint64_t sequence, int error_number)>;
  using Stamped = std::function<void(std::uint64_t sequence, Instant sent)>;
  void flush(const Loop& clock, const Refused& refused, const Stamped& stamped);
  // Whether the kernel is asked for send stamps from here on.
  void use_send_stamps(bool is_wanted);

  // Each waiting packet without its IP header; `received` is the kernel's time.
  using Receive = std::function<void(const Endpoint& from, Bytes segment, Instant received)>;
  void receive(const Receive& receive);

  // Each send time the kernel has noted since.
  void collect_stamps(const Stamped& stamped);

  static constexpr std::size_t kBatch = 64;

 private:
  struct Buffers;
  RawSocket(Fd fd, Family family);
  void start_stamps_afresh();
  void expect_stamps(std::span<const std::uint64_t> sequences) noexcept;
  static void spread(std::span<const std::uint64_t> sequences, Instant from, Instant to,
                     const Stamped& stamped);

  Fd fd_;
  Family family_;
  bool has_ip_header_ = false;  // in what is received
  bool has_errors_ = false;
  std::uint16_t local_port_ = 0;
  std::unique_ptr<Buffers, void (*)(Buffers*)> buffers_;
  std::size_t queued_ = 0;
  std::array<std::uint64_t, kBatch> queued_sequence_{};
  // Send keys count from 0; the error queue is emptied far more often than this comes round.
  std::array<std::uint64_t, 4096> sequence_of_key_{};
  std::uint32_t next_key_ = 0;
  std::uint32_t unstamped_ = 0;  // sends whose stamp has not come yet
  bool has_send_stamps_ = true;
};

}  // namespace isochrone::prober
