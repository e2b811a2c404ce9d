// SPDX-License-Identifier: Apache-2.0
#include "prober/stamp.h"

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <ctime>

namespace isochrone::prober {
namespace {

constexpr unsigned kReceive = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;

// CMSG_NXTHDR takes a mutable msghdr though it changes nothing.
template <class Use>
void for_each_control(const msghdr& message, Use use) noexcept {
  msghdr walk = message;
  for (cmsghdr* at = CMSG_FIRSTHDR(&walk); at != nullptr; at = CMSG_NXTHDR(&walk, at)) use(*at);
}

bool set_flags(int fd, unsigned flags) noexcept {
  return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags) == 0;
}

}  // namespace

Result<void> enable_receive_stamps(int fd) {
  if (!set_flags(fd, kReceive)) return fail_errno("cannot ask for kernel timestamps", errno);
  return {};
}

Result<void> enable_stamps(int fd) {
  // TSONLY: the packet itself need not come back. The count restarts when OPT_ID is newly set.
  constexpr unsigned send =
      SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY;
  if (!set_flags(fd, kReceive) || !set_flags(fd, kReceive | send)) {
    return fail_errno("cannot ask for kernel timestamps", errno);
  }
  return {};
}

std::optional<Instant> stamp_of(const msghdr& message) noexcept {
  std::optional<Instant> stamp;
  for_each_control(message, [&](const cmsghdr& control) {
    if (control.cmsg_level != SOL_SOCKET || control.cmsg_type != SO_TIMESTAMPING) return;
    timespec software{};  // the first of three; the others are for hardware
    std::memcpy(&software, CMSG_DATA(&control), sizeof software);
    if (software.tv_sec == 0 && software.tv_nsec == 0) return;
    stamp = from_unix_nanos(software.tv_sec * 1'000'000'000 + software.tv_nsec);
  });
  return stamp;
}

std::optional<std::uint32_t> send_key_of(const msghdr& message) noexcept {
  std::optional<std::uint32_t> key;
  for_each_control(message, [&](const cmsghdr& control) {
    const bool is_error = (control.cmsg_level == SOL_IP && control.cmsg_type == IP_RECVERR) ||
                          (control.cmsg_level == SOL_IPV6 && control.cmsg_type == IPV6_RECVERR);
    if (!is_error) return;
    sock_extended_err error{};
    std::memcpy(&error, CMSG_DATA(&control), sizeof error);
    if (error.ee_origin == SO_EE_ORIGIN_TIMESTAMPING) key = error.ee_data;
  });
  return key;
}

}  // namespace isochrone::prober
