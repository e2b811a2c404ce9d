// SPDX-License-Identifier: Apache-2.0
//
// dns_load: asks a DNS server over UDP, as fast as it answers or at a given rate, and says what that
// cost the server.
//
// Closed loop: a fixed number of questions is outstanding, an answer makes room for the next. With
// --rate the loop is open: questions leave when they are due, whatever came back. It never sleeps:
// waking a sleeper would be charged to the server that is measured. Everything is built before the
// clock starts; SIGINT ends the run early. Prints one JSON object (load_report.h).
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <csignal>
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

constexpr std::size_t kBatch = 32;
// A question without an answer for so long is lost.
constexpr std::chrono::milliseconds kPatience{200};

volatile std::sig_atomic_t is_asked_to_end = 0;

struct Options {
  Endpoint server{Address::v4(127, 0, 0, 1), 53};
  QuestionSpec questions;
  double seconds = 2;
  double rate = 0;
  std::size_t outstanding = 128;
  std::size_t sockets = 1;
  std::size_t burst = kBatch;  // questions from one socket before the next one's turn
  bool joins = false;
  int pid = 0;
  int cpu = -1;
};

void usage() {
  std::puts(
      "usage: bench_dns_load --server ADDRESS@PORT [options]\n"
      "  --name NAME       asked for; % stands for a number below --names (www.bench.example)\n"
      "  --names N         how many (1)\n"
      "  --networks FILE   lines of PREFIX ADDRESS: ask with that Client Subnet, expect that "
      "answer\n"
      "  --edns            add an OPT record  --dnssec  with DO set\n"
      "  --rate QPS        open loop at that rate, instead of as fast as answers come\n"
      "  --sockets N       ask from so many ports in turn (1)  --burst N  so many from each (32)\n"
      "  --join            questions of one size that leave one port together are one message "
      "(UDP_SEGMENT)\n"
      "  --seconds S (2)  --outstanding N (128)  --seed N (1)\n"
      "  --pid PID         the server's process, for CPU per answer\n"
      "  --cpu N           run on this core");
}

bool set(Options& options, const std::string& flag, const std::string& value) {
  if (flag == "--server") {
    const auto server = Endpoint::parse(value);
    if (server) options.server = *server;
    return server.has_value();
  }
  if (flag == "--name") return options.questions.name = value, true;
  if (flag == "--names") return options.questions.names = std::stoull(value), true;
  if (flag == "--networks") return options.questions.networks = value, true;
  if (flag == "--seed") return options.questions.seed = std::stoull(value), true;
  if (flag == "--seconds") return options.seconds = std::stod(value), true;
  if (flag == "--rate") return options.rate = std::stod(value), true;
  if (flag == "--outstanding") return options.outstanding = std::stoull(value), true;
  if (flag == "--sockets") return options.sockets = std::stoull(value), options.sockets > 0;
  if (flag == "--burst") {
    options.burst = std::min<std::size_t>(std::stoull(value), kBatch);
    return options.burst > 0;
  }
  if (flag == "--pid") return options.pid = std::stoi(value), true;
  if (flag == "--cpu") return options.cpu = std::stoi(value), true;
  return false;
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--edns") {
      options.questions.edns = true;
    } else if (flag == "--join") {
      options.joins = true;
    } else if (flag == "--dnssec") {
      options.questions.dnssec = true;
    } else if (i + 1 >= argc || !set(options, flag, argv[++i])) {
      return false;
    }
  }
  return true;
}

class Load {
 public:
  Load(const Options& options, std::vector<Question> questions)
      : options_(options), questions_(std::move(questions)), sent_at_(kQuestions) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors_in_[i] = {buffers_[i].data(), buffers_[i].size()};
      in_[i].msg_hdr.msg_iov = &vectors_in_[i];
      in_[i].msg_hdr.msg_iovlen = 1;
      out_[i].msg_hdr.msg_iov = &vectors_out_[i];
      out_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  bool open() {
    sockaddr_storage to{};
    const auto length = options_.server.to_sockaddr(to);
    const int buffer_bytes = 4 << 20;
    for (std::size_t i = 0; i < options_.sockets; ++i) {
      Fd fd(::socket(options_.server.address.is_v4() ? AF_INET : AF_INET6,
                     SOCK_DGRAM | SOCK_NONBLOCK, 0));
      ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
      ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes);
      if (!fd || ::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), length) != 0) return false;
      sockets_.push_back(std::move(fd));
    }
    return true;
  }

  void run(double seconds, Tally& tally) {
    tally_ = &tally;
    start_ = last_progress_ = Clock::now();
    const auto end = start_ + std::chrono::duration_cast<Clock::duration>(
                                  std::chrono::duration<double>(seconds));
    while (last_seen_ < end && is_asked_to_end == 0) {
      send_what_is_due();
      receive();
      if (last_seen_ - last_progress_ > kPatience) give_up_outstanding();
    }
    while (in_flight_ > 0 && last_seen_ - last_progress_ < kPatience) receive();
    give_up_outstanding();
  }

 private:
  void send_what_is_due() {
    std::size_t due = 0;
    if (options_.rate > 0) {
      const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
      const auto by_now = static_cast<std::uint64_t>(elapsed * options_.rate);
      due = by_now > tally_->sent ? by_now - tally_->sent : 0;
    } else if (in_flight_ < options_.outstanding) {
      due = options_.outstanding - in_flight_;
    }
    while (due > 0) {
      const std::size_t count = send(std::min(options_.burst, due));
      if (count == 0) return;
      due -= std::min(count, due);
    }
  }

  std::size_t send(std::size_t count) {
    const auto now = Clock::now();
    for (std::size_t i = 0; i < count; ++i) {
      const auto id = static_cast<std::uint16_t>(next_id_ + i);
      vectors_out_[i] = {questions_[id].bytes.data(), questions_[id].size};
      sent_at_[id] = now;
    }
    const Fd& socket = sockets_[next_socket_++ % sockets_.size()];
    const int sent =
        options_.joins && is_one_size(count)
            ? send_joined(socket, count)
            : ::sendmmsg(socket.get(), out_.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
    if (sent <= 0) return 0;
    if (in_flight_ == 0) last_progress_ = now;
    next_id_ = static_cast<std::uint16_t>(next_id_ + sent);
    in_flight_ += static_cast<std::size_t>(sent);
    tally_->sent += static_cast<std::uint64_t>(sent);
    return static_cast<std::size_t>(sent);
  }

  bool is_one_size(std::size_t count) const {
    return std::all_of(vectors_out_.begin(), vectors_out_.begin() + static_cast<long>(count),
                       [this](const iovec& one) { return one.iov_len == vectors_out_[0].iov_len; });
  }

  int send_joined(const Fd& socket, std::size_t count) {
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(std::uint16_t))> octets{};
    msghdr header{};
    header.msg_iov = vectors_out_.data();
    header.msg_iovlen = count;
    header.msg_control = octets.data();
    header.msg_controllen = octets.size();
    cmsghdr* control = CMSG_FIRSTHDR(&header);
    control->cmsg_level = SOL_UDP;
    control->cmsg_type = UDP_SEGMENT;
    control->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto segment = static_cast<std::uint16_t>(vectors_out_[0].iov_len);
    std::memcpy(CMSG_DATA(control), &segment, sizeof segment);
    return ::sendmsg(socket.get(), &header, MSG_DONTWAIT) > 0 ? static_cast<int>(count) : 0;
  }

  void receive() {
    for (const Fd& socket : sockets_) {
      const int got = ::recvmmsg(socket.get(), in_.data(), kBatch, MSG_DONTWAIT, nullptr);
      last_seen_ = Clock::now();
      for (int i = 0; i < got; ++i) {
        const auto at = static_cast<std::size_t>(i);
        take({buffers_[at].data(), in_[at].msg_len});
      }
      if (got > 0) last_progress_ = last_seen_;
    }
  }

  void take(Bytes answer) {
    if (answer.size() < 12 || in_flight_ == 0) return;
    --in_flight_;
    ++tally_->answered;
    ++tally_->rcodes[answer[3] & 15];
    const std::size_t id = std::size_t{answer[0]} << 8 | answer[1];
    tally_->latency.add(last_seen_ - sent_at_[id]);
    if (!is_right(questions_[id], answer)) ++tally_->wrong;
  }

  void give_up_outstanding() {
    tally_->lost += in_flight_;
    in_flight_ = 0;
    last_progress_ = last_seen_;
  }

  const Options& options_;
  std::vector<Question> questions_;
  std::vector<Clock::time_point> sent_at_;
  std::array<std::array<std::uint8_t, 1500>, kBatch> buffers_{};
  std::array<iovec, kBatch> vectors_in_{};
  std::array<iovec, kBatch> vectors_out_{};
  std::array<mmsghdr, kBatch> in_{};
  std::array<mmsghdr, kBatch> out_{};
  std::vector<Fd> sockets_;
  std::size_t next_socket_ = 0;
  std::uint16_t next_id_ = 0;
  std::size_t in_flight_ = 0;
  Clock::time_point start_;
  Clock::time_point last_seen_;
  Clock::time_point last_progress_;
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
  if (questions.empty()) {
    std::cerr << "bench_dns_load: no questions: a name too long, or no line PREFIX ADDRESS\n";
    return 1;
  }
  Load load(options, std::move(questions));
  if (!load.open()) {
    std::cerr << "bench_dns_load: cannot reach " << options.server.to_string() << "\n";
    return 1;
  }
  std::signal(SIGINT, [](int) { is_asked_to_end = 1; });
  Tally warm_up;
  load.run(0.2, warm_up);
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
