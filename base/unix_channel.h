// SPDX-License-Identifier: Apache-2.0
//
// UnixChannel: texts and descriptors between two processes of one machine (SOCK_SEQPACKET).
//
// Threads:  one at a time.
// Limits:   kMaxText octets and kMaxDescriptors in one message; more is an error of the sender, and a
//           message beyond them ends the channel at the receiver.
// Blocking: send() never does: a peer that does not read for so long counts as gone. receive() waits
//           for as long as it is told.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/time.h"

namespace isochrone {

class UnixChannel {
 public:
  // Well under the 208 KiB that the kernel lets one message have.
  static constexpr std::size_t kMaxText = 128 << 10;
  static constexpr std::size_t kMaxDescriptors = 128;  // the kernel allows 253

  UnixChannel() = default;
  explicit UnixChannel(Fd socket) : socket_(std::move(socket)) {}
  static Result<UnixChannel> connect(const std::filesystem::path& path);

  struct Message {
    std::string text;
    std::vector<Fd> descriptors;
  };
  Result<void> send(std::string_view text, std::span<const int> descriptors = {});
  // Errc::limit when nothing came for so long, unavailable when nothing ever will.
  Result<Message> receive(Millis longest);

  explicit operator bool() const { return static_cast<bool>(socket_); }
  int fd() const { return socket_.get(); }
  // Of the process at the other end when the channel was made; 0 when unknown.
  pid_t peer() const;
  void close() { socket_.reset(); }

 private:
  Fd socket_;
};

// Listens at `path`, for this user only. What a process that is gone left there is removed; when
// another listens, an Error of Errc::unavailable.
Result<Fd> listen_unix(const std::filesystem::path& path);
// The next channel that waits, if one does.
std::optional<UnixChannel> accept_unix(const Fd& listener);

}  // namespace isochrone
