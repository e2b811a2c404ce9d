// SPDX-License-Identifier: Apache-2.0
#include "lab/namespaces.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "lab/packet.h"

namespace isochrone::lab {
namespace {

constexpr char kDevice[] = "wan0";

// Packets the kernel keeps for us while we are not scheduled: 4000 are most of a second of the
// demo's traffic, and what would be lost there would look like loss on the path.
constexpr int kDeviceQueue = 4000;

bool write_file(const std::string& file, const std::string& text) {
  std::ofstream out(file);
  out << text << std::flush;
  return out.good();
}

bool has_ipv6() { return ::access("/proc/net/if_inet6", F_OK) == 0; }

Result<void> become_root_of_user_namespace() {
  const auto uid = ::geteuid();
  const auto gid = ::getegid();
  if (::unshare(CLONE_NEWUSER) != 0) {
    return fail_errno(
        "cannot make a user namespace; run as root, or allow it (sysctl user.max_user_namespaces, "
        "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)",
        errno);
  }
  // The order matters: a gid map may be written only after setgroups was given up
  // (user_namespaces(7)).
  if (!write_file("/proc/self/setgroups", "deny") ||
      !write_file("/proc/self/uid_map", fmt::format("0 {} 1\n", uid)) ||
      !write_file("/proc/self/gid_map", fmt::format("0 {} 1\n", gid))) {
    return fail(Errc::io, "cannot map our user into a user namespace; run as root");
  }
  return {};
}

bool may_make_network_namespaces() {
  // Tried in a child: in this process the step could not be taken back.
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::unshare(CLONE_NEWNET) == 0 ? 0 : 1);
  int status = 1;
  return child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
}

Result<Fd> open_tun() {
  Fd tun(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!tun) {
    return fail_errno(
        "cannot open /dev/net/tun (load the module tun; without root the device must "
        "be open to all: chmod 666 /dev/net/tun)",
        errno);
  }
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::memcpy(request.ifr_name, kDevice, sizeof kDevice);
  if (::ioctl(tun.get(), TUNSETIFF, &request) != 0) {
    return fail_errno("cannot make the TUN device wan0", errno);
  }
  return tun;
}

// What `ip -batch` reads. Addresses are complete hosts: every other address lies across the WAN.
std::string device_script(const Node& node) {
  std::string script =
      fmt::format("link set lo up\nlink set {} mtu {} txqueuelen {} addrgenmode none\n", kDevice,
                  kMaxPacketBytes, kDeviceQueue);
  std::string routes;
  bool has_route_v4 = false;
  bool has_route_v6 = false;
  for (const Address& address : node.addresses) {
    if (!address.is_v4() && !has_ipv6()) continue;
    script += fmt::format("address add {}/{} dev {}{}\n", address.to_string(), address.width(),
                          kDevice, address.is_v4() ? "" : " nodad");
    bool& has_route = address.is_v4() ? has_route_v4 : has_route_v6;
    if (has_route) continue;
    has_route = true;
    routes += fmt::format("route add {} dev {} src {}\n", address.is_v4() ? "0.0.0.0/0" : "::/0",
                          kDevice, address.to_string());
  }
  return script + fmt::format("link set {} up\n", kDevice) + routes;
}

Result<void> run_ip(const std::string& script) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("cannot make a pipe", errno);
  Fd reading(ends[0]);
  Fd writing(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return fail_errno("cannot fork", errno);
  if (child == 0) {
    ::dup2(reading.get(), STDIN_FILENO);
    ::execlp("ip", "ip", "-batch", "-", nullptr);
    ::_exit(127);
  }
  reading.reset();
  const auto written = ::write(writing.get(), script.data(), script.size());
  writing.reset();
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
    return fail(Errc::not_found, "cannot run `ip`; install iproute2");
  }
  if (status != 0 || written != static_cast<ssize_t>(script.size())) {
    return fail(Errc::io, "`ip -batch` failed for:\n" + script);
  }
  return {};
}

void tune_namespace() {
  // Probers may use unprivileged ICMP sockets; without root only our one group is mapped.
  if (!write_file("/proc/sys/net/ipv4/ping_group_range", "0 2147483647")) {
    write_file("/proc/sys/net/ipv4/ping_group_range", "0 0");
  }
  // No router will ever answer; its absence is not worth packets.
  write_file("/proc/sys/net/ipv6/conf/default/router_solicitations", "0");
}

Result<Fd> prepare_namespace(const Node& node) {
  if (::unshare(CLONE_NEWNET) != 0) {
    return fail_errno("cannot make a network namespace; run as root or in a user namespace", errno);
  }
  tune_namespace();
  auto tun = open_tun();
  if (!tun) return tun;
  if (auto ready = run_ip(device_script(node)); !ready) return tl::unexpected(ready.error());
  return tun;
}

// One message: an error's text, or nothing and a descriptor.
void send_outcome(int socket, const Result<Fd>& tun) {
  std::string text = tun ? "" : tun.error().text();
  char status = tun ? 0 : 1;
  std::array<iovec, 2> parts{{{&status, 1}, {text.data(), text.size()}}};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  if (tun) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = tun->get();
    std::memcpy(CMSG_DATA(part), &fd, sizeof fd);
  }
  ::sendmsg(socket, &message, 0);
}

Result<Fd> receive_outcome(int socket) {
  std::array<char, 2048> text{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec whole{text.data(), text.size()};
  msghdr message{};
  message.msg_iov = &whole;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const auto count = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (count < 1) return fail(Errc::io, "the namespace's holder died");
  if (text[0] != 0)
    return fail(Errc::io, std::string(text.data() + 1, static_cast<std::size_t>(count) - 1));
  const cmsghdr* part = CMSG_FIRSTHDR(&message);
  if (part == nullptr || part->cmsg_type != SCM_RIGHTS) return fail(Errc::io, "no descriptor came");
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(part), sizeof fd);
  return Fd(fd);
}

[[noreturn]] void hold(const Node& node, int socket, pid_t parent,
                       const std::function<void()>& then) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // it died before the line above
  ::prctl(PR_SET_NAME, ("lab-" + node.name).c_str());
  // Ctrl-C reaches the whole process group; the parent decides when holders end.
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  ::signal(SIGPIPE, SIG_IGN);
  // Descriptors of nodes made before would keep their devices alive.
  const int mine = ::dup2(socket, STDERR_FILENO + 1);
  ::close_range(static_cast<unsigned>(mine) + 1, ~0U, 0);
  {
    const auto tun = prepare_namespace(node);
    send_outcome(mine, tun);
    if (!tun) ::_exit(1);
  }
  ::close(mine);
  if (then) then();
  while (true) ::pause();
}

Result<Fd> open_namespace(pid_t pid, std::string_view kind) {
  Fd fd(::open(fmt::format("/proc/{}/ns/{}", pid, kind).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd)
    return fail_errno(fmt::format("cannot open the {} namespace of process {}", kind, pid), errno);
  return fd;
}

bool is_our_user_namespace(int fd) {
  struct stat theirs {};
  struct stat ours {};
  return ::fstat(fd, &theirs) == 0 && ::stat("/proc/self/ns/user", &ours) == 0 &&
         theirs.st_ino == ours.st_ino;
}

}  // namespace

Result<bool> gain_network_privileges() {
  if (::geteuid() == 0 && may_make_network_namespaces()) return false;
  if (auto root = become_root_of_user_namespace(); !root) return tl::unexpected(root.error());
  return true;
}

Result<HeldNamespace> hold_namespace(const Node& node, const std::function<void()>& then) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return fail_errno("cannot make a socket pair", errno);
  }
  Fd ours(ends[0]);
  Fd theirs(ends[1]);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return fail_errno("cannot fork", errno);
  if (child == 0) hold(node, theirs.get(), parent, then);
  theirs.reset();
  auto tun = receive_outcome(ours.get());
  if (!tun) {
    ::waitpid(child, nullptr, 0);
    return tl::unexpected(tun.error().within("node " + node.name));
  }
  return HeldNamespace{child, std::move(*tun)};
}

Result<void> enter_namespaces(pid_t holder) {
  const auto user = open_namespace(holder, "user");
  if (!user) return tl::unexpected(user.error());
  const auto network = open_namespace(holder, "net");
  if (!network) return tl::unexpected(network.error());
  if (!is_our_user_namespace(user->get()) && ::setns(user->get(), CLONE_NEWUSER) != 0) {
    return fail_errno("cannot enter the lab's user namespace", errno);
  }
  if (::setns(network->get(), CLONE_NEWNET) != 0) {
    return fail_errno("cannot enter the node's network namespace", errno);
  }
  return {};
}

Error exec_inside(pid_t holder, const std::vector<std::string>& command) {
  if (auto entered = enter_namespaces(holder); !entered) return entered.error();
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  return fail_errno("cannot run " + command.front(), errno).value();
}

}  // namespace isochrone::lab
