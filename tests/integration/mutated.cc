// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/mutated.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/integration/world.h"
#include "tests/support/process.h"

namespace isochrone::test {
namespace {

constexpr std::size_t kHeaderOctets = 12;
constexpr std::size_t kLongest = 4'096;  // what the server takes as one datagram
constexpr std::size_t kBatch = 64;
constexpr std::size_t kPerConnection = 40;
constexpr int kWaitMs = 5'000;  // only a defect comes near it

bool is_answerable(const Packet& packet) {
  return packet.size() >= kHeaderOctets && (packet[2] & 0x80) == 0;
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

// The messages of one batch, by id.
class Batch {
 public:
  explicit Batch(Tally& tally) : tally_(tally) {}

  void add(const Packet& packet) {
    sizes_.push_back(packet.size());
    answerable_.push_back(is_answerable(packet));
    due_ += answerable_.back() ? 1U : 0U;
    ++tally_.sent;
  }
  std::size_t size() const { return sizes_.size(); }
  std::size_t due() const { return due_; }

  // A reply to the message `id`, one of this batch.
  void hear(std::size_t id, Bytes reply, bool is_udp) {
    ++tally_.replies;
    if (id >= sizes_.size() || !answerable_[id] || reply.size() < kHeaderOctets) {
      ++tally_.undeserved;
      return;
    }
    answerable_[id] = !is_udp;  // over UDP there is one reply; transfers have many messages
    if (is_udp && due_ > 0) --due_;
    const bool is_truncated = (reply[2] & 0x02) != 0;
    if (is_udp && !is_truncated && reply.size() > 3 * sizes_[id]) ++tally_.too_large;
  }

 private:
  Tally& tally_;
  std::vector<std::size_t> sizes_;
  std::vector<bool> answerable_;
  std::size_t due_ = 0;
};

std::size_t id_of(Bytes message) {
  return message.size() < 2 ? SIZE_MAX : static_cast<std::size_t>(message[0]) << 8 | message[1];
}

// Reads until the server closes; the replies go to `batch`.
void hear_all(const Fd& socket, Batch& batch) {
  std::vector<std::uint8_t> bytes;
  std::vector<std::uint8_t> block(1 << 16);
  while (is_readable(socket, kWaitMs)) {
    const ssize_t size = ::recv(socket.get(), block.data(), block.size(), 0);
    if (size <= 0) break;
    bytes.insert(bytes.end(), block.begin(), block.begin() + size);
  }
  for (Bytes rest(bytes); rest.size() >= 2;) {
    const std::size_t length = id_of(rest);
    if (rest.size() < 2 + length) break;
    batch.hear(id_of(rest.subspan(2, length)), rest.subspan(2, length), false);
    rest = rest.subspan(2 + length);
  }
}

void frame(Packet& stream, const Packet& packet) {
  stream.push_back(static_cast<std::uint8_t>(packet.size() >> 8));
  stream.push_back(static_cast<std::uint8_t>(packet.size()));
  stream.insert(stream.end(), packet.begin(), packet.end());
}

}  // namespace

Mutator::Mutator(std::uint64_t seed, const std::vector<std::string>& folders) : random_(seed) {
  std::vector<std::filesystem::path> files;
  for (const std::string& folder : folders) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry);
  }
  std::sort(files.begin(), files.end());  // the same on every machine
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    seeds_.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
}

// One change, of the kinds that find what counts, lengths and offsets are believed for.
void Mutator::mutate(Packet& packet) {
  constexpr std::uint8_t kTelling[] = {0, 1, 0x0c, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff};
  const std::size_t at = random_.below(packet.size() + 1);
  const auto place = packet.begin() + static_cast<std::ptrdiff_t>(at);
  const bool is_inside = at < packet.size();
  switch (random_.below(7)) {
    case 0:
      if (is_inside) *place = static_cast<std::uint8_t>(random_());
      break;
    case 1:
      if (is_inside) *place = static_cast<std::uint8_t>(*place ^ 1U << random_.below(8));
      break;
    case 2:
      if (is_inside) *place = kTelling[random_.below(std::size(kTelling))];
      break;
    case 3:
      packet.resize(at);
      break;
    case 4:
      packet.insert(place, random_.below(32), static_cast<std::uint8_t>(random_()));
      break;
    case 5: {  // the rest of another message
      const Packet& other = any_seed();
      packet.resize(at);
      packet.insert(packet.end(),
                    other.end() - static_cast<std::ptrdiff_t>(random_.below(other.size() + 1)),
                    other.end());
      break;
    }
    default: {  // its own rest again, a few times
      const Packet rest(place, packet.end());
      for (auto times = random_.below(8); times > 0; --times)
        packet.insert(packet.end(), rest.begin(), rest.end());
    }
  }
}

Packet Mutator::next(std::uint16_t id) {
  Packet packet = any_seed();
  for (auto changes = random_.below(6); changes > 0; --changes) mutate(packet);
  packet.resize(std::clamp<std::size_t>(packet.size(), 2, kLongest));
  packet[0] = static_cast<std::uint8_t>(id >> 8);
  packet[1] = static_cast<std::uint8_t>(id);
  return packet;
}

void flood_udp(const Endpoint& server, Mutator& mutator, std::uint64_t packets, Tally& tally) {
  const Fd socket = connected(server, SOCK_DGRAM);
  ASSERT_TRUE(socket);
  Packet reply(65'535);
  while (packets > 0) {
    Batch batch(tally);
    for (; batch.size() < kBatch && packets > 0; --packets) {
      const Packet packet = mutator.next(static_cast<std::uint16_t>(batch.size()));
      batch.add(packet);
      ASSERT_EQ(::send(socket.get(), packet.data(), packet.size(), 0),
                static_cast<ssize_t>(packet.size()));
    }
    tally.answerable += batch.due();
    while (batch.due() > 0 && is_readable(socket, kWaitMs)) {
      const ssize_t size = ::recv(socket.get(), reply.data(), reply.size(), 0);
      ASSERT_GE(size, 0) << "the server's socket is gone";
      const Bytes bytes = Bytes(reply).first(static_cast<std::size_t>(size));
      batch.hear(id_of(bytes), bytes, true);
    }
  }
}

void flood_tcp(const Endpoint& server, Mutator& mutator, std::uint64_t packets, Tally& tally) {
  while (packets > 0) {
    const Fd socket = connected(server, SOCK_STREAM);
    ASSERT_TRUE(socket);
    ++tally.connections;
    Batch batch(tally);
    Packet stream;
    for (; batch.size() < kPerConnection && packets > 0; --packets) {
      const Packet packet = mutator.next(static_cast<std::uint16_t>(batch.size()));
      batch.add(packet);
      frame(stream, packet);
    }
    tally.answerable += batch.due();
    // A length that lies: what is sent is then something else, and the end may never come.
    const bool lies = mutator.random().below(8) == 0;
    if (lies) stream[mutator.random().below(stream.size())] ^= 0x5a;
    ::send(socket.get(), stream.data(), stream.size(), MSG_NOSIGNAL);
    ::shutdown(socket.get(), SHUT_WR);
    Tally unjudged;
    Batch other(unjudged);
    hear_all(socket, lies ? other : batch);
  }
}

void survive(std::uint64_t packets) {
  const World world;
  const std::string corpus = std::string(ISOCHRONE_TEST_DATA) + "/../../fuzz/corpus/";
  std::string big = "big IN TXT";
  for (int i = 0; i < 5; ++i) big += " \"" + std::string(200, 'x') + "\"";
  world.write_zone(
      big +
      "\nalias IN CNAME www\n*.w IN MX 5 mail.w\nchild IN NS ns.child\nns.child IN A 192.0.2.54\n");
  Daemon daemon(world.write("hostile.yaml",
                            "node: {name: ns1, state-dir: state}\n"
                            "dns: {listen: 127.0.0.1@0, tcp-connections: 100, tcp-idle: 5s, nsid: "
                            "ns1, version: Isochrone}\n"
                            "zones: [{name: example.com, file: example.com.zone, transfer: {allow: "
                            "[{prefix: 127.0.0.0/8}]}}]\n" +
                                World::topology()));
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const Endpoint dns = daemon.endpoint("dns");
  Mutator mutator(20'261'125, {corpus + "query", corpus + "tsig"});
  ASSERT_GT(mutator.seeds(), 40U);
  Tally udp;
  Tally tcp;
  // Buffers, the demand table and the allocator's arenas grow to what they need in the first part.
  flood_udp(dns, mutator, packets / 10, udp);
  flood_tcp(dns, mutator, packets / 20, tcp);
  const std::size_t memory = resident_kib(daemon.pid());
  const std::size_t descriptors = open_descriptors(daemon.pid());
  flood_udp(dns, mutator, packets - packets / 10 - packets / 10, udp);
  flood_tcp(dns, mutator, packets / 10 - packets / 20, tcp);

  EXPECT_TRUE(answers(dns, "198.51.100.0/24", "192.0.2.1")) << "alive, and right";
  const auto by_tcp = ask_tcp(dns, {std::string(kService), 1, {}});
  ASSERT_TRUE(by_tcp.has_value());
  EXPECT_EQ(by_tcp->addresses, std::vector{*Address::parse("192.0.2.1")});
  EXPECT_EQ(udp.sent + tcp.sent, packets);
  EXPECT_EQ(udp.replies, udp.answerable) << "every question gets one reply";
  EXPECT_EQ(udp.undeserved + tcp.undeserved, 0U) << "replies to responses and runts";
  EXPECT_EQ(udp.too_large, 0U);
  EXPECT_GT(tcp.replies, 0U);
  EXPECT_LT(resident_kib(daemon.pid()), memory + kSanitizedMemory * 8 * 1'024)
      << "KiB at the start: " << memory;
  EXPECT_TRUE(eventually([&] { return open_descriptors(daemon.pid()) <= descriptors; }))
      << open_descriptors(daemon.pid()) << " descriptors, after the first part " << descriptors;
  std::printf(
      "%llu packets, %llu answerable, %llu replies over UDP, %llu connections, %zu KiB then %zu "
      "KiB\n",
      static_cast<unsigned long long>(packets),
      static_cast<unsigned long long>(udp.answerable + tcp.answerable),
      static_cast<unsigned long long>(udp.replies),
      static_cast<unsigned long long>(tcp.connections), memory, resident_kib(daemon.pid()));
}

}  // namespace isochrone::test
