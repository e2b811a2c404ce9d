// SPDX-License-Identifier: Apache-2.0
//
// Many readers of one channel by Server-Sent Events, in a process of their own that yields to all others:
// they stand for machines elsewhere.
//
// usage: bench_event_readers PORT COUNT
// Says "ready" when every one of them has its answer, reads what comes, and prints one JSON object when
// its standard input ends: readers, bytes, and how many readers got events at all.
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/descriptors.h"
#include "base/fd.h"
#include "base/ip.h"

namespace isochrone {
namespace {

constexpr std::string_view kRequest =
    "GET /v1/channels/measurement/events HTTP/1.1\r\nHost: bench\r\nAccept: "
    "text/event-stream\r\n\r\n";

struct Reader {
  Fd fd;
  std::uint64_t bytes = 0;
};

Fd connect_to(std::uint16_t port) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage to{};
  const unsigned length = Endpoint{Address::v4(127, 0, 0, 1), port}.to_sockaddr(to);
  const bool is_there = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), length) == 0 &&
                        ::send(fd.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) > 0;
  if (!is_there) std::perror("connect"), std::exit(1);
  ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  return fd;
}

int run(std::uint16_t port, std::size_t count) {
  raise_descriptor_limit();
  ::setpriority(PRIO_PROCESS, 0, 19);
  const Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  std::vector<Reader> readers(count);
  for (std::size_t i = 0; i < count; ++i) {
    readers[i].fd = connect_to(port);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, readers[i].fd.get(), &event);
  }
  std::array<epoll_event, 512> events{};
  static std::array<char, 1 << 18> chunk;
  std::size_t answered = 0;
  std::size_t gone = 0;
  pollfd input{0, POLLIN, 0};
  while (::poll(&input, 1, 0) == 0) {
    const int ready = ::epoll_wait(epoll.get(), events.data(), events.size(), 50);
    for (int i = 0; i < ready; ++i) {
      Reader& reader = readers[events[static_cast<std::size_t>(i)].data.u64];
      const ssize_t got = ::recv(reader.fd.get(), chunk.data(), chunk.size(), 0);
      if (got <= 0) {
        reader.fd.reset();
        ++gone;
        continue;
      }
      if (reader.bytes == 0 && ++answered == count) std::printf("ready\n"), std::fflush(stdout);
      reader.bytes += static_cast<std::uint64_t>(got);
    }
  }
  std::uint64_t bytes = 0;
  std::size_t reached = 0;
  for (const Reader& reader : readers) {
    bytes += reader.bytes;
    reached += reader.bytes > 1'000 ? 1 : 0;  // more than the head of the answer
  }
  std::printf("{\"readers\":%zu,\"bytes\":%llu,\"reached\":%zu,\"gone\":%zu}\n", count,
              static_cast<unsigned long long>(bytes), reached, gone);
  return 0;
}

}  // namespace
}  // namespace isochrone

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: bench_event_readers PORT COUNT\n"), 2;
  return isochrone::run(static_cast<std::uint16_t>(std::atoi(argv[1])),
                        static_cast<std::size_t>(std::atoi(argv[2])));
}
