// SPDX-License-Identifier: Apache-2.0
#include "tests/support/dns_client.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "base/fd.h"
#include "base/text.h"

namespace isochrone::test {
namespace {

constexpr std::uint16_t kOpt = 41;
constexpr std::uint16_t kClientSubnet = 8;

void put_name(ByteWriter& out, const std::string& name) {
  for (const std::string_view label : split(name, '.')) {
    out.u8(static_cast<std::uint8_t>(label.size()));
    out.put({reinterpret_cast<const std::uint8_t*>(label.data()), label.size()});
  }
  out.u8(0);
}

void skip_name(ByteReader& in) {
  while (in.ok()) {
    const std::uint8_t length = in.u8();
    if (length == 0) return;
    if (length >= 0xc0) return in.skip(1);
    in.skip(length);
  }
}

void read_options(Bytes options, DnsReply& reply) {
  ByteReader in(options);
  while (in.ok() && in.remaining() >= 4) {
    const std::uint16_t code = in.u16();
    const Bytes value = in.take(in.u16());
    if (code == kClientSubnet && value.size() >= 4) reply.scope = value[3];
  }
}

void read_record(ByteReader& in, bool is_answer, DnsReply& reply) {
  skip_name(in);
  const std::uint16_t type = in.u16();
  in.skip(2);
  const std::uint32_t ttl = in.u32();
  const Bytes data = in.take(in.u16());
  if (type == kOpt) {
    reply.rcode |= static_cast<int>(ttl >> 24) << 4;
    read_options(data, reply);
  } else if (is_answer && (type == 1 || type == 28)) {
    const auto address = Address::from_bytes(type == 1 ? Family::v4 : Family::v6, data);
    if (address) reply.addresses.push_back(*address);
  }
}

Fd connected(const Endpoint& server, int kind) {
  sockaddr_storage to{};
  const auto length = server.to_sockaddr(to);
  Fd socket(::socket(to.ss_family, kind | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), length) != 0) socket.reset();
  return socket;
}

bool is_readable(const Fd& socket, int wait_ms) {
  pollfd waiting{socket.get(), POLLIN, 0};
  return ::poll(&waiting, 1, wait_ms) > 0;
}

}  // namespace

std::vector<std::uint8_t> to_wire(const DnsQuestion& question, std::uint16_t id) {
  std::array<std::uint8_t, 512> bytes{};
  ByteWriter out(bytes);
  out.u16(id);
  out.u16(0);
  for (const int count : {1, 0, 0, 1}) out.u16(static_cast<std::uint16_t>(count));
  put_name(out, question.name);
  out.u16(question.type);
  out.u16(1);
  out.u8(0);  // OPT: the root
  out.u16(kOpt);
  out.u16(1232);
  out.u32(0);
  if (!question.subnet) {
    out.u16(0);
  } else {
    const Prefix& subnet = *question.subnet;
    const auto octets = static_cast<std::uint16_t>((subnet.length() + 7) / 8);
    out.u16(static_cast<std::uint16_t>(8 + octets));
    out.u16(kClientSubnet);
    out.u16(static_cast<std::uint16_t>(4 + octets));
    out.u16(subnet.family() == Family::v4 ? 1 : 2);
    out.u8(static_cast<std::uint8_t>(subnet.length()));
    out.u8(0);
    const auto address = subnet.address().bytes();
    out.put({address.data(), octets});
  }
  const Bytes written = out.written();
  return {written.begin(), written.end()};
}

std::optional<DnsReply> parse_reply(Bytes bytes, std::uint16_t id) {
  ByteReader in(bytes);
  if (in.u16() != id) return std::nullopt;
  const std::uint16_t flags = in.u16();
  if ((flags & 0x8000) == 0) return std::nullopt;
  DnsReply reply;
  reply.rcode = flags & 0xf;
  reply.is_authoritative = (flags & 0x0400) != 0;
  reply.is_truncated = (flags & 0x0200) != 0;
  const int questions = in.u16();
  const int answers = in.u16();
  const int others = in.u16() + in.u16();
  for (int i = 0; i < questions; ++i) {
    skip_name(in);
    in.skip(4);
  }
  for (int i = 0; i < answers + others && in.ok(); ++i) read_record(in, i < answers, reply);
  if (!in.ok()) return std::nullopt;
  return reply;
}

std::vector<std::uint8_t> exchange(const Endpoint& server, Bytes datagram, int wait_ms) {
  const Fd socket = connected(server, SOCK_DGRAM);
  if (!socket || ::send(socket.get(), datagram.data(), datagram.size(), 0) < 0) return {};
  if (!is_readable(socket, wait_ms)) return {};
  std::vector<std::uint8_t> reply(65'535);
  const auto size = ::recv(socket.get(), reply.data(), reply.size(), 0);
  reply.resize(static_cast<std::size_t>(std::max<ssize_t>(0, size)));
  return reply;
}

std::optional<DnsReply> ask(const Endpoint& server, const DnsQuestion& question) {
  constexpr std::uint16_t kId = 0x1d05;
  return parse_reply(exchange(server, to_wire(question, kId), 1'000), kId);
}

std::optional<DnsReply> ask_tcp(const Endpoint& server, const DnsQuestion& question) {
  constexpr std::uint16_t kId = 0x1d06;
  const Fd socket = connected(server, SOCK_STREAM);
  if (!socket) return std::nullopt;
  const auto query = to_wire(question, kId);
  std::vector<std::uint8_t> framed{static_cast<std::uint8_t>(query.size() >> 8),
                                   static_cast<std::uint8_t>(query.size())};
  framed.insert(framed.end(), query.begin(), query.end());
  if (::send(socket.get(), framed.data(), framed.size(), MSG_NOSIGNAL) < 0) return std::nullopt;
  std::vector<std::uint8_t> bytes;
  std::array<std::uint8_t, 4096> chunk;
  while (is_readable(socket, 1'000)) {
    const auto size = ::recv(socket.get(), chunk.data(), chunk.size(), 0);
    if (size <= 0) break;
    bytes.insert(bytes.end(), chunk.data(), chunk.data() + size);
    if (bytes.size() < 2) continue;
    const std::size_t length = static_cast<std::size_t>(bytes[0]) << 8 | bytes[1];
    if (bytes.size() >= length + 2) return parse_reply(Bytes(bytes).subspan(2, length), kId);
  }
  return std::nullopt;
}

}  // namespace isochrone::test
