// SPDX-License-Identifier: Apache-2.0
#include "lab/yardstick.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include <array>
#include <cstring>

#include "base/fd.h"
#include "base/ip.h"
#include "lab/plan.h"

namespace isochrone::lab {
namespace {

constexpr std::uint64_t kMagic = 0x6c61'622d'7961'7264;  // "lab-yard"
constexpr std::size_t kPayloadBytes = 32;                // magic, sent, has error, error

// An error beyond this is a step of the wall clock, which both stamps come from.
constexpr Nanos kMaxBelievable = Seconds(1);

Nanos wall_now() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return Seconds(now.tv_sec) + Nanos(now.tv_nsec);
}

struct LastError {
  bool is_known = false;
  Nanos value{0};
};

void send_one(int socket, const LastError& last) {
  std::array<std::uint8_t, kPayloadBytes> payload{};
  ByteWriter writer(payload);
  writer.u64(kMagic);
  writer.u64(static_cast<std::uint64_t>(wall_now().count()));
  writer.u64(last.is_known ? 1 : 0);
  writer.u64(static_cast<std::uint64_t>(last.value.count()));
  // A full queue or an unreachable emulator costs one sample.
  static_cast<void>(::send(socket, payload.data(), payload.size(), MSG_DONTWAIT));
}

std::optional<Nanos> arrival_stamp(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec stamp{};
    std::memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
    return Seconds(stamp.tv_sec) + Nanos(stamp.tv_nsec);
  }
  return std::nullopt;
}

// The error of one returned packet, when one was waiting.
std::optional<Nanos> receive_one(int socket) {
  std::array<std::uint8_t, kPayloadBytes> payload{};
  alignas(cmsghdr) std::array<std::uint8_t, 128> control{};
  iovec part{payload.data(), payload.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const auto count = ::recvmsg(socket, &message, MSG_DONTWAIT);
  if (count != static_cast<ssize_t>(kPayloadBytes)) return std::nullopt;
  const auto arrived = arrival_stamp(message);
  ByteReader reader(payload);
  if (reader.u64() != kMagic || !arrived) return std::nullopt;
  const Nanos sent(static_cast<std::int64_t>(reader.u64()));
  const Nanos error = *arrived - sent - kYardstickDelay;
  if (error > kMaxBelievable || error < -kMaxBelievable) return std::nullopt;
  return error;
}

Fd open_socket() {
  Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_storage to{};
  const unsigned length = Endpoint{kYardstick, kYardstickPort}.to_sockaddr(to);
  const int on = 1;
  if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0 ||
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), length) != 0) {
    return Fd();
  }
  return socket;
}

}  // namespace

std::optional<Nanos> read_yardstick(Bytes payload) {
  ByteReader reader(payload);
  const bool is_one = reader.u64() == kMagic;
  reader.u64();
  const bool has_error = reader.u64() == 1;
  const Nanos error(static_cast<std::int64_t>(reader.u64()));
  if (!reader.ok() || !is_one || !has_error) return std::nullopt;
  return error;
}

void run_yardstick() {
  const Fd socket = open_socket();
  if (!socket) return;
  LastError last;
  while (true) {
    send_one(socket.get(), last);
    // One wait per packet is all the pacing needed: a late packet is none the worse measured.
    ::poll(nullptr, 0, static_cast<int>(kYardstickInterval.count()));
    last = {};
    while (const auto error = receive_one(socket.get())) last = {true, *error};
  }
}

}  // namespace isochrone::lab
