// SPDX-License-Identifier: Apache-2.0
#include "base/unix_channel.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace isochrone {
namespace {

constexpr int kBacklog = 16;

// The address of a path of any length: one that does not fit is reached through its folder.
struct Place {
  sockaddr_un address{};
  Fd folder;

  explicit Place(const std::filesystem::path& path) {
    address.sun_family = AF_UNIX;
    std::string text = path.string();
    if (text.size() >= sizeof address.sun_path) {
      folder.reset(::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
      text = "/proc/self/fd/" + std::to_string(folder.get()) + "/" + path.filename().string();
    }
    std::memcpy(address.sun_path, text.data(), std::min(text.size(), sizeof address.sun_path - 1));
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

Fd make_socket(int flags) {
  return Fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0));
}

bool is_waiting(int fd, Millis longest) {
  pollfd waiting{fd, POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&waiting, 1, static_cast<int>(longest.count()));
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

void take_descriptors(msghdr& header, std::vector<Fd>& into) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr;
       control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(control) + i * sizeof fd, sizeof fd);
      into.emplace_back(fd);
    }
  }
}

}  // namespace

Result<UnixChannel> UnixChannel::connect(const std::filesystem::path& path) {
  Fd socket = make_socket(0);
  const Place place(path);
  if (!socket || ::connect(socket.get(), place.get(), sizeof place.address) != 0) {
    return fail_errno("cannot reach " + path.string(), errno);
  }
  return UnixChannel(std::move(socket));
}

Result<void> UnixChannel::send(std::string_view text, std::span<const int> descriptors) {
  if (text.size() > kMaxText || descriptors.size() > kMaxDescriptors) {
    return fail(Errc::limit, "a message is too long for the control socket");
  }
  iovec data{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(kMaxDescriptors * sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  if (!descriptors.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* first = CMSG_FIRSTHDR(&header);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(first), descriptors.data(), descriptors.size_bytes());
  }
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return fail_errno("cannot write to the control socket", errno);
  return {};
}

Result<UnixChannel::Message> UnixChannel::receive(Millis longest) {
  if (!is_waiting(socket_.get(), longest)) {
    return fail(Errc::limit, "the other process did not answer in time");
  }
  Message message;
  message.text.resize(kMaxText);
  iovec data{message.text.data(), message.text.size()};
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(kMaxDescriptors * sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t size = 0;
  do {
    size = ::recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size > 0) take_descriptors(header, message.descriptors);
  if (size <= 0) return fail(Errc::unavailable, "the other process has gone");
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return fail(Errc::limit, "a message of the other process was cut");
  }
  message.text.resize(static_cast<std::size_t>(size));
  return message;
}

pid_t UnixChannel::peer() const {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return 0;
  return who.pid;
}

Result<Fd> listen_unix(const std::filesystem::path& path) {
  if (UnixChannel::connect(path)) {
    return fail(Errc::unavailable, "another process listens at " + path.string());
  }
  ::unlink(path.c_str());
  Fd socket = make_socket(SOCK_NONBLOCK);
  const Place place(path);
  if (!socket || ::bind(socket.get(), place.get(), sizeof place.address) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(socket.get(), kBacklog) != 0) {
    return fail_errno("cannot listen at " + path.string(), errno);
  }
  return socket;
}

std::optional<UnixChannel> accept_unix(const Fd& listener) {
  Fd socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!socket) return std::nullopt;
  return UnixChannel(std::move(socket));
}

}  // namespace isochrone
