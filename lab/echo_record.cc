// SPDX-License-Identifier: Apache-2.0
#include "lab/echo_record.h"

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/fd.h"
#include "base/loop.h"
#include "lab/packet.h"

namespace isochrone::lab {
namespace {

constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kIcmp6 = 58;
constexpr int kBufferBytes = 16 << 20;

bool is_request(std::uint8_t protocol, std::uint8_t type) {
  return (protocol == kIcmp && type == 8) || (protocol == kIcmp6 && type == 128);
}
bool is_reply(std::uint8_t protocol, std::uint8_t type) {
  return (protocol == kIcmp && type == 0) || (protocol == kIcmp6 && type == 129);
}

Result<Fd> open_tap(const std::string& device) {
  const unsigned index = ::if_nametoindex(device.c_str());
  if (index == 0) return fail(Errc::not_found, "there is no device " + device + " here");
  Fd socket(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("a packet socket", errno);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kBufferBytes, sizeof kBufferBytes);
  sockaddr_ll where{};
  where.sll_family = AF_PACKET;
  where.sll_protocol = htons(ETH_P_ALL);
  where.sll_ifindex = static_cast<int>(index);
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0 ||
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0) {
    return fail_errno("a packet socket on " + device, errno);
  }
  return socket;
}

struct Passed {
  std::array<std::uint8_t, kMaxPacketBytes> bytes;
  std::size_t size = 0;
  bool is_leaving = false;
  Instant at{};
};

bool take(int socket, Passed& passed) {
  alignas(cmsghdr) std::array<std::uint8_t, 128> control{};
  sockaddr_ll from{};
  iovec part{passed.bytes.data(), passed.bytes.size()};
  msghdr message{&from, sizeof from, &part, 1, control.data(), control.size(), 0};
  const auto count = ::recvmsg(socket, &message, MSG_DONTWAIT);
  if (count < 0) return false;
  passed.size = static_cast<std::size_t>(count);
  passed.is_leaving = from.sll_pkttype == PACKET_OUTGOING;
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr;
       each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec stamp{};
    std::memcpy(&stamp, CMSG_DATA(each), sizeof stamp);
    passed.at = Instant(Seconds(stamp.tv_sec) + Nanos(stamp.tv_nsec));
  }
  return true;
}

std::uint64_t dropped(int socket) {
  tpacket_stats stats{};
  socklen_t size = sizeof stats;
  ::getsockopt(socket, SOL_PACKET, PACKET_STATISTICS, &stats, &size);
  return stats.tp_drops;
}

}  // namespace

std::optional<EchoRecord::Answered> EchoRecord::see(Bytes packet, bool is_leaving, Instant at) {
  const auto header = parse_ip(packet);
  if (!header || header->is_fragment) return std::nullopt;
  ByteReader icmp(packet.subspan(std::min(header->payload_offset, packet.size())));
  const std::uint8_t type = icmp.u8();
  icmp.u8();
  icmp.u16();
  const std::uint32_t name = icmp.u32();
  if (!icmp.ok()) return std::nullopt;
  if (is_leaving && is_request(header->protocol, type)) {
    if (open_.size() >= kMaxOpen) {
      ++not_recorded_;
      return std::nullopt;
    }
    ++sent_;
    open_.insert_or_assign(Echo{header->destination, name}, at);
  }
  if (is_leaving || !is_reply(header->protocol, type)) return std::nullopt;
  const auto echo = open_.find(Echo{header->source, name});
  if (echo == open_.end()) return std::nullopt;
  const Answered answered{header->source, at - echo->second};
  open_.erase(echo);
  return answered;
}

std::vector<Address> EchoRecord::unanswered() const {
  std::vector<Address> all;
  for (const auto& [echo, at] : open_) all.push_back(echo.address);
  return all;
}

Result<RecordSummary> record_echoes(const std::string& device, const std::filesystem::path& file) {
  const auto tap = open_tap(device);
  if (!tap) return tl::unexpected(tap.error());
  std::ofstream out(file);
  if (!out) return fail_errno(file.string(), errno);
  Loop loop;
  EchoRecord record;
  RecordSummary summary;
  const auto read_all = [&] {
    for (Passed passed; take(tap->get(), passed);) {
      const auto answered =
          record.see({passed.bytes.data(), passed.size}, passed.is_leaving, passed.at);
      if (!answered) continue;
      ++summary.answered;
      out << answered->address.to_string() << ' ' << answered->delay.count() << '\n';
    }
  };
  Poll poll(loop, tap->get(), [&](unsigned) { read_all(); });
  poll.watch(Poll::readable);
  const SignalWatch interrupted(loop, SIGINT, [&] { loop.stop(); });
  const SignalWatch terminated(loop, SIGTERM, [&] { loop.stop(); });
  loop.run();
  read_all();
  for (const Address& address : record.unanswered()) out << address.to_string() << " -1\n";
  summary.sent = record.sent();
  summary.missed = dropped(tap->get()) + record.not_recorded();
  out.flush();
  if (!out) return fail_errno(file.string(), errno);
  return summary;
}

}  // namespace isochrone::lab
