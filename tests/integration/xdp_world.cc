// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/xdp_world.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "base/http_client.h"
#include "base/internet_sum.h"
#include "tests/support/two_hosts.h"

namespace isochrone::test {
namespace {

// A loss would be a defect: nothing else is on the cable.
void be_patient(const Fd& socket, int seconds = 1) {
  const timeval patience{seconds, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

Fd far_connection(const Endpoint& server, int kind) {
  const int family = server.address.is_v4() ? AF_INET : AF_INET6;
  Fd socket = TwoHosts::make().far_socket(family, kind, 0);
  be_patient(socket);
  sockaddr_storage to{};
  const auto size = server.to_sockaddr(to);
  EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), size), 0)
      << server.to_string();
  return socket;
}

Octets receive(const Fd& socket) {
  Octets reply(65'535);
  const auto size = ::recv(socket.get(), reply.data(), reply.size(), 0);
  reply.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return reply;
}

void send_to_far_end(const Fd& socket, Bytes frame) {
  ifreq request{};
  std::strcpy(request.ifr_name, "far");
  ASSERT_EQ(::ioctl(socket.get(), SIOCGIFINDEX, &request), 0);
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = request.ifr_ifindex;
  ASSERT_EQ(::sendto(socket.get(), frame.data(), frame.size(), 0,
                     reinterpret_cast<const sockaddr*>(&to), sizeof to),
            static_cast<ssize_t>(frame.size()));
}

constexpr std::size_t kBody = 34;     // where what IP carries begins
constexpr std::size_t kHeaders = 42;  // and what UDP does

Octets with_header_sum(Octets frame) {
  frame[24] = frame[25] = 0;
  const auto sum = InternetSum().add(Bytes(frame).subspan(14, 20)).checksum();
  frame[24] = static_cast<std::uint8_t>(sum >> 8);
  frame[25] = static_cast<std::uint8_t>(sum);
  return frame;
}

nlohmann::json status_of(const Daemon& daemon) {
  const std::string url = "http://127.0.0.1:" + std::to_string(daemon.endpoint("http").port);
  return get_json(url, "/v1/status");
}

}  // namespace

XdpWorld::XdpWorld() {
  world_.write_zone(
      "mail IN A 192.0.2.25\n"
      "alias IN CNAME mail\n"
      "big IN TXT \"" +
      std::string(250, 'a') + "\" \"" + std::string(250, 'b') + "\" \"" + std::string(250, 'c') +
      "\"\n*.wild IN MX 5 mail\n");
}

std::string XdpWorld::config(const std::string& name, const std::string& more) const {
  return fmt::format(
             "node: {{name: {0}, state-dir: state-{0}, http: 127.0.0.1@0}}\n"
             "dns:\n  listen: [{1}@0, '{2}@0']\n{3}"
             "zones: [{{name: example.com, file: example.com.zone}}]\n",
             name, kNearV4, kNearV6, more) +
         World::topology();
}

Octets XdpWorld::ask(const Endpoint& server, Bytes query, int patience_s) const {
  const Fd socket = far_connection(server, SOCK_DGRAM);
  be_patient(socket, patience_s);
  EXPECT_EQ(::send(socket.get(), query.data(), query.size(), 0),
            static_cast<ssize_t>(query.size()));
  return receive(socket);
}

Octets XdpWorld::ask_tcp(const Endpoint& server, Bytes query) const {
  const Fd socket = far_connection(server, SOCK_STREAM);
  Octets framed(query.begin(), query.end());
  framed.insert(framed.begin(), {static_cast<std::uint8_t>(query.size() >> 8),
                                 static_cast<std::uint8_t>(query.size())});
  EXPECT_EQ(::send(socket.get(), framed.data(), framed.size(), 0),
            static_cast<ssize_t>(framed.size()));
  return receive(socket);
}

void XdpWorld::send_frame(Bytes frame) const {
  const Fd socket = TwoHosts::make().far_socket(AF_PACKET, SOCK_RAW, 0);
  send_to_far_end(socket, frame);
}

Octets XdpWorld::ask_by_frames(const std::vector<Octets>& frames) const {
  const Octets& first = frames.front();
  const Fd socket = TwoHosts::make().far_socket(AF_INET, SOCK_DGRAM, 0);
  be_patient(socket);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(static_cast<std::uint16_t>(first[34] << 8 | first[35]));
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
  for (const Octets& frame : frames) send_frame(frame);
  return receive(socket);
}

Listening listening(const Daemon& daemon) {
  Listening found;
  const auto status = status_of(daemon);
  for (const auto& text : status["dns"]["listening"]) {
    const auto endpoint = Endpoint::parse(text.get<std::string>());
    if (!endpoint) continue;
    (endpoint->address.is_v4() ? found.v4 : found.v6) = *endpoint;
  }
  return found;
}

std::optional<double> metric(const Daemon& daemon, const std::string& name) {
  HttpClient client("http://127.0.0.1:" + std::to_string(daemon.endpoint("http").port));
  const auto reply = client.get("/metrics", Millis(5'000));
  if (!reply) return std::nullopt;
  const auto at = reply->body.find("\n" + name + " ");
  if (at == std::string::npos) return std::nullopt;
  return std::strtod(reply->body.c_str() + at + name.size() + 2, nullptr);
}

std::string near_link() {
  std::string text;
  std::FILE* pipe = ::popen("ip -details link show near", "r");
  if (pipe == nullptr) return text;
  std::array<char, 512> part{};
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) text += part.data();
  ::pclose(pipe);
  return text;
}

Octets query_frame(const Endpoint& server, std::uint16_t from_port, Bytes query) {
  Octets frame(kHeaders);
  ByteWriter out(frame);
  const auto u16 = [](std::size_t value) { return static_cast<std::uint16_t>(value); };
  out.put(std::array<std::uint8_t, 14>{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0});
  out.u16(0x4500);
  out.u16(u16(28 + query.size()));
  out.u32(0);
  out.u16(0x4011);
  out.u16(0);
  out.put(std::array<std::uint8_t, 4>{10, 99, 0, 2});
  const auto to = server.address.bytes();
  out.put(Bytes(to).first(4));
  out.u16(from_port);
  out.u16(server.port);
  out.u16(u16(8 + query.size()));
  out.u16(0);
  frame.insert(frame.end(), query.begin(), query.end());
  InternetSum sum;
  sum.add(Bytes(frame).subspan(26)).add_u16(17).add_u16(u16(8 + query.size()));
  frame[40] = static_cast<std::uint8_t>(sum.checksum() >> 8);
  frame[41] = static_cast<std::uint8_t>(sum.checksum());
  return with_header_sum(frame);
}

std::vector<Octets> fragments(const Octets& frame, std::size_t octets) {
  const auto cut = frame.begin() + static_cast<long>(kBody + octets);
  Octets first(frame.begin(), cut);
  Octets second(frame.begin(), frame.begin() + static_cast<long>(kBody));
  second.insert(second.end(), cut, frame.end());
  first[20] = 0x20;  // more follow
  second[21] = static_cast<std::uint8_t>(octets / 8);
  for (Octets* each : {&first, &second}) {
    const std::size_t total = each->size() - 14;
    (*each)[16] = static_cast<std::uint8_t>(total >> 8);
    (*each)[17] = static_cast<std::uint8_t>(total);
  }
  return {with_header_sum(first), with_header_sum(second)};
}

}  // namespace isochrone::test
