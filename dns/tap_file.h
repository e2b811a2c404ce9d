// SPDX-License-Identifier: Apache-2.0
//
// TapFile: frames into a file, which always ends with a whole one.
//
// Readers stop at the end of a stream, so a file has one: what lies at the path already, of another
// process or an earlier life, is set aside under its name and the time. A file that was moved away is
// ended when reopen() is called, and another begun.
// Failures: what a full disk took of a write is cut off again, and the stream goes on later.
// Access:   mode 0640: who asked for what is not for everyone.
#pragma once

#include <filesystem>
#include <functional>

#include "base/fd.h"
#include "dns/tap_sink.h"

namespace isochrone::dns {

class TapFile : public TapSink {
 public:
  // `wall`: the time, for names.
  TapFile(std::filesystem::path path, std::function<Instant()> wall);

  State state() const override { return state_; }
  Result<void> open(Monotonic now) override;
  Result<void> step(Monotonic) override { return {}; }
  Result<std::size_t> write(Bytes frames) override;
  void reopen() override;
  void end() override;

 private:
  Result<void> set_aside() const;
  Result<void> create();
  // All or nothing.
  Result<void> append(Bytes octets);

  const std::filesystem::path path_;
  const std::function<Instant()> wall_;
  State state_ = State::closed;
  Fd file_;
  std::uint64_t size_ = 0;
};

}  // namespace isochrone::dns
