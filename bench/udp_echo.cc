// SPDX-License-Identifier: Apache-2.0
//
// udp_echo: returns each datagram with its QR bit set: what the kernel's sockets alone can do.
//
// The yardstick of scripts/bench dns: recvmmsg and sendmmsg in batches, one thread, nothing else. Its
// options are the ways to use a socket that could make that cheaper.
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/ip.h"

namespace {

using namespace isochrone;

constexpr std::size_t kMaxBatch = 256;
constexpr std::size_t kMaxSegments = 64;  // UDP_MAX_SEGMENTS of older kernels

struct Options {
  Endpoint listen;
  std::size_t batch = 64;
  std::size_t stride = 2'048;  // octets between buffers
  bool wait_in_epoll = false;
  bool is_drained = false;  // ask again until nothing is left, before waiting
  bool join_replies = false;
  bool takes_joined = false;  // and returns them so
};

bool parse(int argc, char** argv, Options& options) {
  if (argc < 2) return false;
  const auto listen = Endpoint::parse(argv[1]);
  if (!listen) return false;
  options.listen = *listen;
  for (int i = 2; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--epoll") {
      options.wait_in_epoll = true;
    } else if (flag == "--drain") {
      options.is_drained = true;
    } else if (flag == "--gso") {
      options.join_replies = true;
    } else if (flag == "--gro") {
      options.takes_joined = true;
      options.stride = 65'536;
    } else if (flag == "--batch" && i + 1 < argc) {
      options.batch = std::stoull(argv[++i]);
    } else if (flag == "--stride" && i + 1 < argc) {
      options.stride = std::stoull(argv[++i]);
    } else {
      return false;
    }
  }
  return options.batch > 0 && options.batch <= kMaxBatch && options.stride >= 512;
}

class Echo {
 public:
  Echo(const Options& options, Fd fd)
      : options_(options), fd_(std::move(fd)), octets_(options.batch * options.stride) {}

  [[noreturn]] void run() {
    epoll_event event{EPOLLIN, {}};
    const Fd epoll(epoll_create1(0));
    // Where it is watched, the kernel tells of each datagram, whoever waits for it.
    if (options_.wait_in_epoll) epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd_.get(), &event);
    const int flags = options_.wait_in_epoll ? MSG_DONTWAIT : MSG_WAITFORONE;
    while (true) {
      if (options_.wait_in_epoll) epoll_wait(epoll.get(), &event, 1, -1);
      while (echo_batch(flags) && options_.is_drained) {
      }
    }
  }

 private:
  std::uint8_t* buffer(std::size_t i) { return octets_.data() + i * options_.stride; }

  bool echo_batch(int flags) {
    for (std::size_t i = 0; i < options_.batch; ++i) {
      vectors_[i] = {buffer(i), options_.stride};
      received_[i].msg_hdr = {&peers_[i], sizeof peers_[i], &vectors_[i], 1, nullptr, 0, 0};
      if (!options_.takes_joined) continue;
      received_[i].msg_hdr.msg_control = controls_[i].data();
      received_[i].msg_hdr.msg_controllen = controls_[i].size();
    }
    const int got = ::recvmmsg(fd_.get(), received_.data(), static_cast<unsigned>(options_.batch),
                               flags, nullptr);
    if (got <= 0) return false;
    const auto count = static_cast<std::size_t>(got);
    for (std::size_t i = 0; i < count; ++i) {
      vectors_[i].iov_len = received_[i].msg_len;
      const std::size_t step = options_.takes_joined ? return_joined(i) : received_[i].msg_len;
      for (std::size_t at = 0; at + 2 < received_[i].msg_len; at += step) buffer(i)[at + 2] |= 0x80;
    }
    if (!options_.join_replies) {
      ::sendmmsg(fd_.get(), received_.data(), static_cast<unsigned>(count), 0);
    } else {
      send_joined(count);
    }
    return true;
  }

  // The octets of one datagram of those that came as one, which go back as one.
  std::size_t return_joined(std::size_t i) {
    msghdr& header = received_[i].msg_hdr;
    const cmsghdr* control = CMSG_FIRSTHDR(&header);
    int octets = 0;
    if (control != nullptr && control->cmsg_type == UDP_GRO) {
      std::memcpy(&octets, CMSG_DATA(control), sizeof octets);
    }
    header.msg_control = nullptr;
    header.msg_controllen = 0;
    if (octets <= 0 || static_cast<std::size_t>(octets) >= received_[i].msg_len) {
      return received_[i].msg_len;
    }
    set_segment(header, i, static_cast<std::size_t>(octets));
    return static_cast<std::size_t>(octets);
  }

  // Neighbours for the same peer with the same size leave as one message, which is cut apart below.
  void send_joined(std::size_t count) {
    std::size_t messages = 0;
    for (std::size_t i = 0; i < count;) {
      std::size_t next = i + 1;
      while (next < count && next - i < kMaxSegments && is_alike(i, next)) ++next;
      msghdr& header = joined_[messages].msg_hdr;
      header = {&peers_[i], received_[i].msg_hdr.msg_namelen, &vectors_[i], next - i, nullptr, 0,
                0};
      if (next - i > 1) set_segment(header, messages, vectors_[i].iov_len);
      ++messages;
      i = next;
    }
    ::sendmmsg(fd_.get(), joined_.data(), static_cast<unsigned>(messages), 0);
  }

  bool is_alike(std::size_t a, std::size_t b) const {
    return vectors_[a].iov_len == vectors_[b].iov_len &&
           std::memcmp(&peers_[a], &peers_[b], sizeof(sockaddr_in)) == 0;
  }

  void set_segment(msghdr& header, std::size_t at, std::size_t octets) {
    header.msg_control = controls_[at].data();
    header.msg_controllen = CMSG_SPACE(sizeof(std::uint16_t));
    cmsghdr* control = CMSG_FIRSTHDR(&header);
    control->cmsg_level = SOL_UDP;
    control->cmsg_type = UDP_SEGMENT;
    control->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto segment = static_cast<std::uint16_t>(octets);
    std::memcpy(CMSG_DATA(control), &segment, sizeof segment);
  }

  const Options options_;
  const Fd fd_;
  std::vector<std::uint8_t> octets_;
  std::array<sockaddr_storage, kMaxBatch> peers_{};
  std::array<iovec, kMaxBatch> vectors_{};
  std::array<mmsghdr, kMaxBatch> received_{};
  std::array<mmsghdr, kMaxBatch> joined_{};
  struct alignas(cmsghdr) Control : std::array<std::uint8_t, CMSG_SPACE(sizeof(int))> {};
  std::array<Control, kMaxBatch> controls_{};
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::puts(
        "usage: bench_udp_echo ADDRESS@PORT [options]\n"
        "  --batch N (64)      datagrams per system call\n"
        "  --stride N (2048)   octets between buffers\n"
        "  --epoll             wait in epoll_wait instead of in recvmmsg\n"
        "  --drain             with --epoll: receive until nothing is left before waiting again\n"
        "  --gso               replies of one size to one peer leave as one message (UDP_SEGMENT)\n"
        "  --gro               takes datagrams that the kernel joined (UDP_GRO), returns them "
        "joined");
    return 2;
  }
  Fd fd(::socket(options.listen.address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM, 0));
  sockaddr_storage address{};
  const auto length = options.listen.to_sockaddr(address);
  const int buffer_bytes = 4 << 20;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
  const int yes = 1;
  if (options.takes_joined) ::setsockopt(fd.get(), SOL_UDP, UDP_GRO, &yes, sizeof yes);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) {
    std::perror("bench_udp_echo: bind");
    return 1;
  }
  static Echo echo(options, std::move(fd));
  echo.run();
}
