// SPDX-License-Identifier: Apache-2.0
#include "tests/support/two_hosts.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

namespace isochrone::test {
namespace {

bool write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text << std::flush;
  return file.good();
}

// A listening socket for both families; 0 when it cannot be had.
std::uint16_t listen_anywhere() {
  const int fd = ::socket(AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  socklen_t length = sizeof any;
  auto* name = reinterpret_cast<sockaddr*>(&any);
  if (fd < 0 || ::bind(fd, name, length) != 0 || ::listen(fd, 64) != 0) return 0;
  if (::getsockname(fd, name, &length) != 0) return 0;
  return ntohs(any.sin6_port);  // the socket lives as long as the process
}

// The far host: makes its namespace, says which port is open, and waits until `hold` closes.
[[noreturn]] void be_far_host(int hold, int ready) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::uint16_t port = 0;
  if (unshare(CLONE_NEWNET) == 0) port = listen_anywhere();
  if (::write(ready, &port, sizeof port) != sizeof port) _exit(1);
  char nothing = 0;
  while (::read(hold, &nothing, 1) > 0) {
  }
  _exit(0);
}

}  // namespace

TwoHosts& TwoHosts::make() {
  static TwoHosts hosts;
  return hosts;
}

TwoHosts::TwoHosts() {
  if (!enter_namespaces()) {
    trouble_ = std::string("cannot make network namespaces (") + std::strerror(errno) +
               "): these tests need root, or a kernel that allows `unshare -Urn`";
  } else if (!start_far_host()) {
    trouble_ = "the far host did not start";
  } else if (!lay_cable()) {
    trouble_ = "the namespaces could not be connected: is iproute2 installed?";
  }
}

TwoHosts::~TwoHosts() {
  if (hold_ >= 0) ::close(hold_);
  if (far_ > 0) ::waitpid(far_, nullptr, 0);
}

bool TwoHosts::enter_namespaces() {
  if (unshare(CLONE_NEWNET) == 0) return true;
  const std::string uid = std::to_string(geteuid());
  const std::string gid = std::to_string(getegid());
  return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && write_file("/proc/self/setgroups", "deny") &&
         write_file("/proc/self/uid_map", "0 " + uid + " 1") &&
         write_file("/proc/self/gid_map", "0 " + gid + " 1");
}

bool TwoHosts::start_far_host() {
  std::array<int, 2> hold{};
  std::array<int, 2> ready{};
  if (::pipe(hold.data()) != 0 || ::pipe(ready.data()) != 0) return false;
  far_ = ::fork();
  if (far_ == 0) {
    ::close(hold[1]);
    be_far_host(hold[0], ready[1]);
  }
  ::close(hold[0]);
  ::close(ready[1]);
  hold_ = hold[1];
  const bool is_told =
      ::read(ready[0], &open_port_, sizeof open_port_) == static_cast<ssize_t>(sizeof open_port_);
  ::close(ready[0]);
  return far_ > 0 && is_told && open_port_ != 0;
}

bool TwoHosts::lay_cable() {
  const std::string pid = std::to_string(far_);
  const std::string far = "nsenter -t " + pid + " -n ";
  const std::string script =
      "set -e; ip link set lo up"
      "; ip link add near address 02:00:00:00:00:01 type veth"
      "  peer name far address 02:00:00:00:00:02 netns " +
      pid +
      "; ip addr add 10.99.0.1/24 dev near; ip addr add 2001:db8:99::1/64 dev near nodad"
      "; ip link set near up; " +
      far + "ip link set lo up; " + far + "ip addr add 10.99.0.2/24 dev far; " + far +
      "ip addr add 2001:db8:99::2/64 dev far nodad; " + far + "ip link set far up; " +
      // Neighbour discovery is deaf for the first second of a link; nothing here is about that.
      "ip neigh add 2001:db8:99::2 lladdr 02:00:00:00:00:02 dev near; " + far +
      "ip neigh add 2001:db8:99::1 lladdr 02:00:00:00:00:01 dev far; " +
      // The far host forwards nothing and has no such address: it swallows what comes.
      far + "ip route add blackhole 10.99.1.0/24; ip route add 10.99.1.0/24 via 10.99.0.2";
  const std::string void_script =
      "set -e; " + far + "ip link add void type veth peer name deaf; " + far +
      "ip link set deaf up; " + far + "ip link set void arp off up; " + far +
      "ip route add 10.99.2.0/24 dev void; " + far + "ip route add 2001:db8:98::/64 dev void; " +
      far + "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1" +
      // Errors are limited to one a second, whoever asks; these tests are not about that.
      " net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0" +
      "; ip route add 10.99.2.0/24 via 10.99.0.2" +
      "; ip route add 2001:db8:98::/64 via 2001:db8:99::2";
  return std::system(("sh -c '" + script + "'").c_str()) == 0 &&
         std::system(("sh -c '" + void_script + "'").c_str()) == 0;
}

Fd TwoHosts::far_socket(int family, int kind, int protocol) const {
  Fd made;
  // The namespace is a thread's; a socket keeps the one it was made in.
  std::thread([&] {
    const Fd space(::open(("/proc/" + std::to_string(far_) + "/ns/net").c_str(), O_RDONLY));
    if (::setns(space.get(), CLONE_NEWNET) != 0) return;
    made = Fd(::socket(family, kind | SOCK_CLOEXEC, protocol));
  }).join();
  return made;
}

int TwoHosts::half_open() const {
  int count = 0;
  for (const char* table : {"tcp", "tcp6"}) {
    std::ifstream file("/proc/" + std::to_string(far_) + "/net/" + table);
    for (std::string line; std::getline(file, line);) {
      std::istringstream fields(line);
      std::string slot, local, remote, state;
      fields >> slot >> local >> remote >> state;
      count += state == "03" ? 1 : 0;  // TCP_SYN_RECV
    }
  }
  return count;
}

}  // namespace isochrone::test
