// SPDX-License-Identifier: Apache-2.0
#include "dns/xdp_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <xdp/xsk.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "base/time.h"

namespace isochrone::dns {
namespace {

constexpr std::uint32_t kRing = XdpSocket::kRing;
constexpr std::size_t kFrames = 2 * kRing;
constexpr std::size_t kAreaOctets = kFrames * XdpSocket::kFrameOctets;
// A packet under way counts with about 1 KiB; a full ring of them is meant to fit.
constexpr int kSendBufferOctets = 4 << 20;
// From Linux 6.18 on a call may send more than 32 packets; Debian's headers do not know it yet.
constexpr int kMaxSendBudgetOption = 9;
// What a call sends at most where that cannot be set.
constexpr unsigned kPacketsPerCall = 32;
// The kernel frees a queue some time after the last socket on it has been closed, as by a process that
// is replaced by this one.
constexpr Millis kBusyPause{20};
constexpr int kBusyTries = 150;

std::string advice(int error_number) {
  switch (error_number) {
    case EPERM:
      return "; AF_XDP needs CAP_NET_RAW";
    case ENOBUFS:
      return "; it needs 8 MiB of locked memory: raise LimitMEMLOCK (ulimit -l)";
    case EAFNOSUPPORT:
      return "; this kernel has no AF_XDP, or the unit's RestrictAddressFamilies does not name it";
    case ENETDOWN:
      return "; the interface is down: ip link set it up";
    case EBUSY:
      return "; another program has the queue";
    default:
      return "";
  }
}

}  // namespace

struct XdpSocket::Rings {
  Rings() = default;
  Rings(const Rings&) = delete;
  Rings& operator=(const Rings&) = delete;
  ~Rings() {
    if (socket != nullptr) xsk_socket__delete(socket);
    if (umem != nullptr) xsk_umem__delete(umem);
    if (area != nullptr) munmap(area, kAreaOctets);
  }

  int map_area();
  int open(const std::string& interface, unsigned queue, bool zero_copy);
  void tune();
  void hand_out_frames();
  void collect_sent();
  int fd() const { return xsk_socket__fd(socket); }

  // Constant after open.
  std::uint8_t* area = nullptr;
  xsk_umem* umem = nullptr;
  xsk_socket* socket = nullptr;
  bool is_zero_copy = false;

  xsk_ring_prod fill{};
  xsk_ring_cons sent{};
  xsk_ring_cons received{};
  xsk_ring_prod replies{};
  std::uint32_t batch_at = 0;  // the batch in hand, in `received`
  unsigned batch_size = 0;
  std::uint64_t room_at = 0;  // the frame given by reply_room()
  unsigned in_line = 0;
  // Free frames for replies; the last one used is the next, while it is still in the cache.
  std::array<std::uint64_t, kRing> free{};
  std::size_t free_count = 0;
};

int XdpSocket::Rings::map_area() {
  void* mapped = mmap(nullptr, kAreaOctets, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (mapped == MAP_FAILED) return -errno;
  area = static_cast<std::uint8_t*>(mapped);
  return 0;
}

int XdpSocket::Rings::open(const std::string& interface, unsigned queue, bool zero_copy) {
  libbpf_set_print(nullptr);
  if (const int error = map_area(); error != 0) return error;
  const xsk_umem_config memory{kRing, kRing, kFrameOctets, 0, 0};
  if (const int error = xsk_umem__create(&umem, area, kAreaOctets, &fill, &sent, &memory)) {
    return error;
  }
  xsk_socket_config config{};
  config.rx_size = kRing;
  config.tx_size = kRing;
  config.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD;
  config.bind_flags =
      static_cast<std::uint16_t>(XDP_USE_NEED_WAKEUP | (zero_copy ? XDP_ZEROCOPY : XDP_COPY));
  is_zero_copy = zero_copy;
  if (const int error = xsk_socket__create(&socket, interface.c_str(), queue, umem, &received,
                                           &replies, &config)) {
    return error;
  }
  tune();
  hand_out_frames();
  return 0;
}

// Improvements: without them the socket still serves.
void XdpSocket::Rings::tune() {
  fcntl(fd(), F_SETFD, FD_CLOEXEC);
  setsockopt(fd(), SOL_SOCKET, SO_SNDBUF, &kSendBufferOctets, sizeof kSendBufferOctets);
  setsockopt(fd(), SOL_SOCKET, SO_SNDBUFFORCE, &kSendBufferOctets, sizeof kSendBufferOctets);
  const int budget = 2 * kBatch;
  setsockopt(fd(), SOL_XDP, kMaxSendBudgetOption, &budget, sizeof budget);
}

void XdpSocket::Rings::hand_out_frames() {
  std::uint32_t at = 0;
  xsk_ring_prod__reserve(&fill, kRing, &at);
  for (std::uint32_t i = 0; i < kRing; ++i) {
    *xsk_ring_prod__fill_addr(&fill, at + i) = i * kFrameOctets;
    free[i] = (kRing + i) * kFrameOctets;
  }
  xsk_ring_prod__submit(&fill, kRing);
  free_count = kRing;
}

void XdpSocket::Rings::collect_sent() {
  std::uint32_t at = 0;
  const std::uint32_t count = xsk_ring_cons__peek(&sent, kRing, &at);
  for (std::uint32_t i = 0; i < count; ++i) {
    free[free_count++] = *xsk_ring_cons__comp_addr(&sent, at + i);
  }
  if (count > 0) xsk_ring_cons__release(&sent, count);
}

XdpSocket::XdpSocket(std::unique_ptr<Rings> rings) noexcept : rings_(std::move(rings)) {}
XdpSocket::XdpSocket(XdpSocket&&) noexcept = default;
XdpSocket& XdpSocket::operator=(XdpSocket&&) noexcept = default;
XdpSocket::~XdpSocket() = default;

Result<XdpSocket> XdpSocket::open(const std::string& interface, unsigned queue, bool zero_copy) {
  auto rings = std::make_unique<Rings>();
  int error = rings->open(interface, queue, zero_copy);
  for (int tries = 1; error == -EBUSY && tries < kBusyTries; ++tries) {
    std::this_thread::sleep_for(kBusyPause);
    rings = std::make_unique<Rings>();
    error = rings->open(interface, queue, zero_copy);
  }
  if (error != 0) {
    return fail(Errc::io, fmt::format("cannot open an AF_XDP socket on {} queue {}: {}{}",
                                      interface, queue, std::strerror(-error), advice(-error)));
  }
  return XdpSocket(std::move(rings));
}

int XdpSocket::fd() const noexcept { return rings_->fd(); }

unsigned XdpSocket::receive() noexcept {
  Rings& rings = *rings_;
  rings.batch_size = xsk_ring_cons__peek(&rings.received, kBatch, &rings.batch_at);
  return rings.batch_size;
}

Bytes XdpSocket::frame(unsigned index) const noexcept {
  const xdp_desc* frame = xsk_ring_cons__rx_desc(&rings_->received, rings_->batch_at + index);
  return {rings_->area + frame->addr, frame->len};
}

// There is room: no more frames circulate than the ring holds.
void XdpSocket::release() noexcept {
  Rings& rings = *rings_;
  if (rings.batch_size == 0) return;
  std::uint32_t at = 0;
  if (xsk_ring_prod__reserve(&rings.fill, rings.batch_size, &at) == 0) return;
  for (unsigned i = 0; i < rings.batch_size; ++i) {
    const xdp_desc* frame = xsk_ring_cons__rx_desc(&rings.received, rings.batch_at + i);
    *xsk_ring_prod__fill_addr(&rings.fill, at + i) = frame->addr & ~(kFrameOctets - 1);
  }
  xsk_ring_prod__submit(&rings.fill, rings.batch_size);
  xsk_ring_cons__release(&rings.received, rings.batch_size);
  rings.batch_size = 0;
}

MutableBytes XdpSocket::reply_room() noexcept {
  Rings& rings = *rings_;
  if (rings.free_count == 0) rings.collect_sent();
  if (rings.free_count == 0) return {};
  rings.room_at = rings.free[rings.free_count - 1];
  return {rings.area + rings.room_at, kFrameOctets};
}

void XdpSocket::commit(std::size_t octets) noexcept {
  Rings& rings = *rings_;
  std::uint32_t at = 0;
  if (xsk_ring_prod__reserve(&rings.replies, 1, &at) == 0) return;
  --rings.free_count;
  xdp_desc* reply = xsk_ring_prod__tx_desc(&rings.replies, at);
  *reply = {rings.room_at, static_cast<std::uint32_t>(octets), 0};
  ++rings.in_line;
}

unsigned XdpSocket::in_line() const noexcept { return rings_->in_line; }

bool XdpSocket::transmit() noexcept {
  Rings& rings = *rings_;
  if (rings.in_line > 0) xsk_ring_prod__submit(&rings.replies, rings.in_line);
  unsigned calls = 2 + rings.in_line / kPacketsPerCall;
  rings.in_line = 0;
  bool is_taken = true;
  if (xsk_ring_prod__needs_wakeup(&rings.replies) != 0) {
    do {
      is_taken = sendto(rings.fd(), nullptr, 0, MSG_DONTWAIT, nullptr, 0) >= 0;
      // EAGAIN: the call sent as many as it may, or the send buffer is full.
    } while (!is_taken && (errno == EAGAIN || errno == EINTR) && --calls > 0);
  }
  rings.collect_sent();
  return is_taken;
}

int XdpSocket::trouble() const noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(rings_->fd(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

std::uint64_t XdpSocket::dropped() const noexcept {
  xdp_statistics statistics{};
  socklen_t size = sizeof statistics;
  if (getsockopt(rings_->fd(), SOL_XDP, XDP_STATISTICS, &statistics, &size) != 0) return 0;
  return statistics.rx_dropped + statistics.rx_ring_full + statistics.rx_fill_ring_empty_descs;
}

}  // namespace isochrone::dns
