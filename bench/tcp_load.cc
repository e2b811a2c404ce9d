// SPDX-License-Identifier: Apache-2.0
//
// tcp_load: asks a DNS server over TCP: many connections that each keep some questions outstanding, or a
// new connection for every question.
//
// Client addresses vary over 127.1.0.0/24, so that neither limits per client nor ports run out.
// Prints one JSON object (load_report.h).
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/ip.h"
#include "bench/load_questions.h"
#include "bench/load_report.h"

namespace {

using namespace isochrone;
using namespace isochrone::bench;

constexpr std::size_t kSources = 250;
constexpr std::size_t kInput = 64 << 10;

struct Options {
  Endpoint server{Address::v4(127, 0, 0, 1), 53};
  QuestionSpec questions;
  double seconds = 2;
  std::size_t connections = 100;
  std::size_t pipeline = 10;
  bool is_fresh = false;  // a connection per question
  int pid = 0;
  int cpu = -1;
};

void usage() {
  std::puts(
      "usage: bench_tcp_load --server ADDRESS@PORT [options]\n"
      "  --connections N (100)  --pipeline N (10)  questions outstanding on each\n"
      "  --fresh                a new connection for each question, N at a time\n"
      "  --name NAME  --names N  --seed N  --seconds S  --pid PID  --cpu N   as bench_dns_load");
}

bool set(Options& options, const std::string& flag, const std::string& value) {
  if (flag == "--server") {
    const auto server = Endpoint::parse(value);
    if (server) options.server = *server;
    return server.has_value();
  }
  if (flag == "--name") return options.questions.name = value, true;
  if (flag == "--names") return options.questions.names = std::stoull(value), true;
  if (flag == "--seed") return options.questions.seed = std::stoull(value), true;
  if (flag == "--seconds") return options.seconds = std::stod(value), true;
  if (flag == "--connections") return options.connections = std::stoull(value), true;
  if (flag == "--pipeline") return options.pipeline = std::stoull(value), true;
  if (flag == "--pid") return options.pid = std::stoi(value), true;
  if (flag == "--cpu") return options.cpu = std::stoi(value), true;
  return false;
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--fresh") {
      options.is_fresh = true;
      options.pipeline = 1;
    } else if (i + 1 >= argc || !set(options, flag, argv[++i])) {
      return false;
    }
  }
  return true;
}

struct Connection {
  Fd fd;
  std::vector<std::uint8_t> input;  // an answer cut by the end of a read
  std::size_t in_flight = 0;
};

class Load {
 public:
  Load(const Options& options, std::vector<Question> questions)
      : options_(options),
        questions_(std::move(questions)),
        sent_at_(kQuestions),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        connections_(options.connections),
        buffer_(kInput) {}

  bool open() {
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      if (!connect(i)) return false;
    }
    return true;
  }

  void run(double seconds, Tally& tally) {
    tally_ = &tally;
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(seconds));
    std::array<epoll_event, 256> ready{};
    while (Clock::now() < end) {
      const int count = epoll_wait(epoll_.get(), ready.data(), ready.size(), 0);
      for (int i = 0; i < count; ++i) serve(ready[static_cast<std::size_t>(i)].data.u64);
    }
  }

 private:
  bool connect(std::size_t index) {
    Connection& connection = connections_[index];
    connection.fd = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    connection.input.clear();
    connection.in_flight = 0;
    const int on = 1;
    setsockopt(connection.fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(connection.fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    const Endpoint source{
        Address::v4(127, 1, 0, static_cast<std::uint8_t>(1 + next_source_++ % kSources)), 0};
    sockaddr_storage from{};
    sockaddr_storage to{};
    const auto from_length = source.to_sockaddr(from);
    const auto to_length = options_.server.to_sockaddr(to);
    const int fd = connection.fd.get();
    if (::bind(fd, reinterpret_cast<sockaddr*>(&from), from_length) != 0) return false;
    if (::connect(fd, reinterpret_cast<sockaddr*>(&to), to_length) != 0 && errno != EINPROGRESS) {
      return false;
    }
    // Edge triggered: writable once, when the connection is there.
    epoll_event event{EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP, {}};
    event.data.u64 = index;
    return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
  }

  void serve(std::size_t index) {
    Connection& connection = connections_[index];
    if (!receive(connection)) return start_over(index);
    if (options_.is_fresh && is_answered_) return start_over(index);
    if (connection.in_flight < options_.pipeline) ask(index);
  }

  // False when the connection has ended.
  bool receive(Connection& connection) {
    is_answered_ = false;
    const ssize_t got = ::recv(connection.fd.get(), buffer_.data(), buffer_.size(), 0);
    if (got < 0) return errno == EAGAIN || errno == ENOTCONN;
    if (got == 0) return false;
    const auto now = Clock::now();
    Bytes rest(buffer_.data(), static_cast<std::size_t>(got));
    std::vector<std::uint8_t>& kept = connection.input;
    if (!kept.empty()) {
      kept.insert(kept.end(), rest.begin(), rest.end());
      rest = kept;
    }
    while (rest.size() >= 2) {
      const std::size_t size = std::size_t{rest[0]} << 8 | rest[1];
      if (rest.size() < 2 + size) break;
      take(connection, rest.subspan(2, size), now);
      rest = rest.subspan(2 + size);
    }
    kept.assign(rest.begin(), rest.end());
    return true;
  }

  void take(Connection& connection, Bytes answer, Clock::time_point now) {
    if (answer.size() < 12 || connection.in_flight == 0) return;
    --connection.in_flight;
    is_answered_ = true;
    ++tally_->answered;
    ++tally_->rcodes[answer[3] & 15];
    const std::size_t id = std::size_t{answer[0]} << 8 | answer[1];
    tally_->latency.add(now - sent_at_[id]);
    if (!is_right(questions_[id], answer)) ++tally_->wrong;
  }

  void ask(std::size_t index) {
    Connection& connection = connections_[index];
    output_.clear();
    const auto now = Clock::now();
    for (; connection.in_flight < options_.pipeline; ++connection.in_flight) {
      const Question& question = questions_[next_id_];
      sent_at_[next_id_++] = now;
      output_.push_back(static_cast<std::uint8_t>(question.size >> 8));
      output_.push_back(static_cast<std::uint8_t>(question.size));
      output_.insert(output_.end(), question.bytes.data(), question.bytes.data() + question.size);
      ++tally_->sent;
    }
    const auto size = static_cast<ssize_t>(output_.size());
    const ssize_t sent = ::send(connection.fd.get(), output_.data(), output_.size(), MSG_NOSIGNAL);
    // A pipeline always fits the socket's buffer; what does not was cut off by the server.
    if (sent != size) start_over(index);
  }

  void start_over(std::size_t index) {
    tally_->lost += connections_[index].in_flight;
    connections_[index].fd = Fd();  // leaves epoll by itself
    if (!connect(index)) ++tally_->lost;
  }

  const Options& options_;
  std::vector<Question> questions_;
  std::vector<Clock::time_point> sent_at_;
  Fd epoll_;
  std::vector<Connection> connections_;
  std::vector<std::uint8_t> buffer_;
  std::vector<std::uint8_t> output_;
  std::size_t next_source_ = 0;
  std::uint16_t next_id_ = 0;
  bool is_answered_ = false;
  Tally* tally_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    usage();
    return 2;
  }
  pin_to(options.cpu);
  auto questions = make_questions(options.questions);
  Load load(options, std::move(questions));
  if (!load.open()) {
    std::cerr << "bench_tcp_load: cannot reach " << options.server.to_string() << "\n";
    return 1;
  }
  Tally warm_up;
  load.run(0.3, warm_up);
  Tally tally;
  const CpuTime before = options.pid > 0 ? cpu_time(options.pid) : CpuTime{};
  const auto start = Clock::now();
  load.run(options.seconds, tally);
  const double took = std::chrono::duration<double>(Clock::now() - start).count();
  CpuTime spent = options.pid > 0 ? cpu_time(options.pid) : CpuTime{};
  spent.user -= before.user;
  spent.system -= before.system;
  std::puts(report(tally, took, options.pid > 0 ? &spent : nullptr).c_str());
  return tally.answered == 0 ? 1 : 0;
}
