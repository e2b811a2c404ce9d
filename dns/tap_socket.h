// SPDX-License-Identifier: Apache-2.0
//
// TapSocket: frames to a receiver that listens, on a UNIX socket or over TCP.
//
// Threads:  of the loop's thread; `ready` is called there when something can go on.
// Limits:   a receiver has kHandshake to say that it takes dnstap, and may read as slowly as it likes
//           afterwards.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/loop.h"
#include "dns/tap_control.h"
#include "dns/tap_options.h"
#include "dns/tap_sink.h"

namespace isochrone::dns {

class TapSocket : public TapSink {
 public:
  static constexpr Seconds kHandshake{10};

  // To options.socket, or to options.tcp.
  TapSocket(Loop& loop, const TapOptions& options, std::function<void()> ready);

  State state() const override { return state_; }
  Result<void> open(Monotonic now) override;
  Result<void> step(Monotonic now) override;
  Result<std::size_t> write(Bytes frames) override;
  void reopen() override {}
  void end() override;

 private:
  Result<Fd> connect() const;
  Result<void> exchange();
  Result<void> hear();
  Result<void> obey(TapControl said);
  Result<void> flush();
  Result<std::size_t> send(Bytes octets);
  void say(TapControl kind);
  void watch();
  void close();

  Loop& loop_;
  const TapOptions options_;
  const std::function<void()> ready_;
  State state_ = State::closed;
  Fd socket_;
  bool is_connected_ = false;
  bool is_ending_ = false;
  bool is_full_ = false;  // the kernel takes no more for now
  Monotonic deadline_{};
  std::vector<std::uint8_t> to_say_;
  TapControlReader said_;
  unsigned watched_ = 0;
  std::unique_ptr<Poll> poll_;  // after the socket: closed before it
};

}  // namespace isochrone::dns
