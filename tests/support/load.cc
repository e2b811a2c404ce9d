// SPDX-License-Identifier: Apache-2.0
#include "tests/support/load.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <set>

#include "tests/support/daemon.h"

namespace isochrone::test {
namespace {

constexpr std::size_t kSockets = 4;
constexpr std::size_t kOutstanding = 8;  // of each: far less than any receive buffer holds
constexpr int kPatienceMs = 10'000;

Fd connected(const Endpoint& server, int kind) {
  sockaddr_storage to{};
  const auto size = server.to_sockaddr(to);
  Fd socket(::socket(to.ss_family, kind | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), size) != 0) return Fd();
  return socket;
}

bool is_readable(const Fd& socket, int wait_ms) {
  pollfd waiting{socket.get(), POLLIN, 0};
  return ::poll(&waiting, 1, wait_ms) > 0;
}

// The ids that wait for an answer on one socket.
class Asker {
 public:
  explicit Asker(const Endpoint& server) : socket_(connected(server, SOCK_DGRAM)) {}

  std::size_t fill(const DnsQuestion& question) {
    std::size_t asked = 0;
    for (; waiting_.size() < kOutstanding; ++asked) {
      const std::uint16_t id = ++last_id_;
      const auto query = to_wire(question, id);
      if (::send(socket_.get(), query.data(), query.size(), MSG_NOSIGNAL) < 0) {
        // What an ICMP error of an earlier query said; this one goes out again.
        (void)::send(socket_.get(), query.data(), query.size(), MSG_NOSIGNAL);
      }
      waiting_.insert(id);
    }
    return asked;
  }

  std::size_t hear() {
    std::size_t answered = 0;
    std::array<std::uint8_t, 4096> bytes;
    while (true) {
      const auto size = ::recv(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (size < 12) return answered;
      const auto id = static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
      const auto reply = parse_reply(Bytes(bytes).first(static_cast<std::size_t>(size)), id);
      if (reply && !reply->addresses.empty() && waiting_.erase(id) == 1) ++answered;
    }
  }

  const Fd& socket() const { return socket_; }
  bool is_waiting() const { return !waiting_.empty(); }

 private:
  Fd socket_;
  std::uint16_t last_id_ = 0;
  std::set<std::uint16_t> waiting_;
};

bool send_framed(const Fd& socket, Bytes query) {
  std::vector<std::uint8_t> bytes{static_cast<std::uint8_t>(query.size() >> 8),
                                  static_cast<std::uint8_t>(query.size())};
  bytes.insert(bytes.end(), query.begin(), query.end());
  return ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(bytes.size());
}

bool receive_all(const Fd& socket, MutableBytes into) {
  while (!into.empty()) {
    if (!is_readable(socket, kPatienceMs)) return false;
    const auto size = ::recv(socket.get(), into.data(), into.size(), 0);
    if (size <= 0) return false;
    into = into.subspan(static_cast<std::size_t>(size));
  }
  return true;
}

bool ask_once(const Fd& socket, const DnsQuestion& question, std::uint16_t id) {
  if (!socket || !send_framed(socket, to_wire(question, id))) return false;
  std::array<std::uint8_t, 2> length{};
  if (!receive_all(socket, length)) return false;
  std::vector<std::uint8_t> bytes(std::size_t{length[0]} << 8 | length[1]);
  if (!receive_all(socket, bytes)) return false;
  const auto reply = parse_reply(bytes, id);
  return reply && !reply->addresses.empty();
}

}  // namespace

TcpConnection::TcpConnection(const Endpoint& server) : socket_(connected(server, SOCK_STREAM)) {}

bool TcpConnection::asks(const DnsQuestion& question) const {
  return ask_once(socket_, question, 4711);
}

Load::Load(const Endpoint& server, DnsQuestion question)
    : server_(server), question_(std::move(question)) {
  threads_.emplace_back([this] { ask_over_udp(); });
  threads_.emplace_back([this] { ask_over_tcp(); });
  threads_.emplace_back([this] { ask_on_one_connection(); });
}

Load::~Load() { stop(); }

bool Load::goes_on(std::uint64_t queries) {
  const std::uint64_t udp = udp_.answered + queries;
  const std::uint64_t tcp = tcp_.answered + queries;
  const std::uint64_t kept = kept_.answered + queries;
  return eventually(
      [&] { return udp_.answered >= udp && tcp_.answered >= tcp && kept_.answered >= kept; });
}

Load::Counts Load::stop() {
  is_stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  return {udp_.counts(), tcp_.counts(), kept_.counts(), asked_again_.load()};
}

void Load::ask_over_udp() {
  std::vector<Asker> askers;
  for (std::size_t i = 0; i < kSockets; ++i) askers.emplace_back(server_);
  while (true) {
    const bool is_last = is_stopping_;
    std::array<pollfd, kSockets> polled{};
    bool is_due = false;
    for (std::size_t i = 0; i < kSockets; ++i) {
      if (!is_last) udp_.asked += askers[i].fill(question_);
      polled[i] = {askers[i].socket().get(), POLLIN, 0};
      is_due |= askers[i].is_waiting();
    }
    if (!is_due) return;
    if (::poll(polled.data(), polled.size(), kPatienceMs) <= 0) return;  // some are lost
    for (Asker& asker : askers) udp_.answered += asker.hear();
  }
}

void Load::ask_over_tcp() {
  for (std::uint16_t id = 0; !is_stopping_; ++id) {
    ++tcp_.asked;
    if (ask_once(connected(server_, SOCK_STREAM), question_, id)) ++tcp_.answered;
  }
}

void Load::ask_on_one_connection() {
  Fd socket = connected(server_, SOCK_STREAM);
  for (std::uint16_t id = 0; !is_stopping_; ++id) {
    ++kept_.asked;
    bool is_answered = ask_once(socket, question_, id);
    if (!is_answered) {
      ++asked_again_;
      socket = connected(server_, SOCK_STREAM);
      is_answered = ask_once(socket, question_, id);
    }
    if (is_answered) ++kept_.answered;
  }
}

}  // namespace isochrone::test
