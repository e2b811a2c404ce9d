// SPDX-License-Identifier: Apache-2.0
//
// dns_load: asks a DNS server over UDP as fast as it answers, and says what that cost the server.
//
// Closed loop: a fixed number of questions is outstanding, an answer makes room for the next. Names
// and Client Subnet vary per question from a seed; everything is built before the clock starts.
// Prints one JSON object: answers per second, losses, rcodes, latency, and the server's CPU time
// per answer (from /proc/PID/stat, 10 ms resolution: run for seconds).
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/ip.h"
#include "base/random.h"
#include "base/text.h"

namespace {

using namespace isochrone;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kBatch = 32;
constexpr std::size_t kMaxQuery = 512;
constexpr std::size_t kQuestions = 1 << 16;  // distinct ids; also the ring of prepared questions

struct Options {
  Endpoint server{Address::v4(127, 0, 0, 1), 53};
  std::string name = "www.bench.example";  // "%" is replaced by a number below --names
  std::uint64_t names = 1;
  std::string networks;  // file of "PREFIX ADDRESS": asked with Client Subnet, the answer checked
  std::uint64_t seed = 1;
  double seconds = 2;
  std::size_t outstanding = 128;
  int pid = 0;
  int cpu = -1;
  bool dnssec = false;
};

struct Question {
  std::array<std::uint8_t, kMaxQuery> bytes{};
  std::size_t size = 0;
  std::uint32_t expected = 0;  // the last four bytes of the A answer, 0 when not checked
};

struct Network {
  Prefix prefix;
  Address answer;
};

void usage() {
  std::puts(
      "usage: bench_dns_load --server ADDRESS@PORT [options]\n"
      "  --name NAME       asked for; % stands for a number below --names (www.bench.example)\n"
      "  --names N         how many (1)\n"
      "  --networks FILE   lines of PREFIX ADDRESS: ask with that Client Subnet, expect that "
      "answer\n"
      "  --dnssec          set DO\n"
      "  --seconds S (2)  --outstanding N (128)  --seed N (1)\n"
      "  --pid PID         the server's process, for CPU per answer\n"
      "  --cpu N           run on this core");
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--dnssec") {
      options.dnssec = true;
      continue;
    }
    if (i + 1 >= argc) return false;
    const std::string value = argv[++i];
    if (flag == "--server") {
      const auto server = Endpoint::parse(value);
      if (!server) return false;
      options.server = *server;
    } else if (flag == "--name") {
      options.name = value;
    } else if (flag == "--names") {
      options.names = std::stoull(value);
    } else if (flag == "--networks") {
      options.networks = value;
    } else if (flag == "--seconds") {
      options.seconds = std::stod(value);
    } else if (flag == "--outstanding") {
      options.outstanding = std::stoull(value);
    } else if (flag == "--seed") {
      options.seed = std::stoull(value);
    } else if (flag == "--pid") {
      options.pid = std::stoi(value);
    } else if (flag == "--cpu") {
      options.cpu = std::stoi(value);
    } else {
      return false;
    }
  }
  return true;
}

void put_name(ByteWriter& out, std::string_view name) {
  for (const auto label : split(name, '.')) {
    out.u8(static_cast<std::uint8_t>(label.size()));
    out.put({reinterpret_cast<const std::uint8_t*>(label.data()), label.size()});
  }
  out.u8(0);
}

Question make_question(const Options& options, const std::vector<Network>& networks,
                       Random& random) {
  Question question;
  ByteWriter out(question.bytes);
  const bool edns = options.dnssec || !networks.empty();
  out.u16(0);  // id: set when sent
  out.u16(0);  // flags: a query
  out.u16(1);
  out.u16(0);
  out.u16(0);
  out.u16(edns ? 1 : 0);
  std::string name = options.name;
  if (const auto at = name.find('%'); at != std::string::npos) {
    std::array<char, 24> number{};
    std::snprintf(number.data(), number.size(), "%07llu",
                  static_cast<unsigned long long>(random.below(options.names)));
    name.replace(at, 1, number.data());
  }
  put_name(out, name);
  out.u16(1);  // A
  out.u16(1);  // IN
  if (edns) {
    out.u8(0);
    out.u16(41);  // OPT (RFC 6891)
    out.u16(1232);
    out.u16(0);
    out.u16(options.dnssec ? 0x8000 : 0);
    if (networks.empty()) {
      out.u16(0);
    } else {
      const Network& network = networks[random.below(networks.size())];
      out.u16(11);  // one option: CLIENT-SUBNET (RFC 7871) of a /24
      out.u16(8);
      out.u16(7);
      out.u16(1);
      out.u8(24);
      out.u8(0);
      const auto address = network.prefix.address().bytes();
      out.put(std::span(address).first(3));
      const auto answer = network.answer.bytes();
      std::memcpy(&question.expected, answer.data(), 4);
    }
  }
  question.size = out.position();
  return question;
}

std::vector<Network> read_networks(const std::string& file) {
  std::vector<Network> networks;
  std::ifstream in(file);
  std::string prefix;
  std::string answer;
  while (in >> prefix >> answer) {
    const auto p = Prefix::parse(prefix);
    const auto a = Address::parse(answer);
    if (p && a) networks.push_back({*p, *a});
  }
  return networks;
}

// User and system time of a process in seconds.
double cpu_seconds(int pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  const auto after_name = text.rfind(')');
  if (after_name == std::string::npos) return 0;
  std::istringstream fields(text.substr(after_name + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

struct Tally {
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;
  std::uint64_t lost = 0;
  std::uint64_t wrong = 0;
  std::map<int, std::uint64_t> rcodes;
  std::vector<std::uint32_t> latency_ns;
};

class Load {
 public:
  Load(const Options& options, std::vector<Question> questions)
      : options_(options), questions_(std::move(questions)), sent_at_(kQuestions) {}

  bool open() {
    fd_ = Fd(::socket(options_.server.address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM, 0));
    sockaddr_storage to{};
    const auto length = options_.server.to_sockaddr(to);
    const int buffer_bytes = 4 << 20;
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes);
    return fd_ && ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&to), length) == 0;
  }

  void run(double seconds, Tally& tally) {
    tally_ = &tally;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    while (Clock::now() < end) {
      while (in_flight_ < options_.outstanding) {
        if (!send_batch()) break;
      }
      if (!receive_batch()) give_up_outstanding();
    }
    while (in_flight_ > 0 && receive_batch()) {
    }
    in_flight_ = 0;
  }

 private:
  bool send_batch() {
    const std::size_t count = std::min(kBatch, options_.outstanding - in_flight_);
    std::array<mmsghdr, kBatch> messages{};
    std::array<iovec, kBatch> vectors{};
    const auto now = Clock::now();
    for (std::size_t i = 0; i < count; ++i) {
      const auto id = static_cast<std::uint16_t>(next_id_ + i);
      Question& question = questions_[id];
      question.bytes[0] = static_cast<std::uint8_t>(id >> 8);
      question.bytes[1] = static_cast<std::uint8_t>(id);
      vectors[i] = {question.bytes.data(), question.size};
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      sent_at_[id] = now;
    }
    const int sent = ::sendmmsg(fd_.get(), messages.data(), static_cast<unsigned>(count), 0);
    if (sent <= 0) return false;
    next_id_ = static_cast<std::uint16_t>(next_id_ + sent);
    in_flight_ += static_cast<std::size_t>(sent);
    tally_->sent += static_cast<std::uint64_t>(sent);
    return true;
  }

  bool receive_batch() {
    pollfd wait{fd_.get(), POLLIN, 0};
    if (::poll(&wait, 1, 50) <= 0) return false;
    std::array<mmsghdr, kBatch> messages{};
    std::array<iovec, kBatch> vectors{};
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors[i] = {buffers_[i].data(), buffers_[i].size()};
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int got = ::recvmmsg(fd_.get(), messages.data(), kBatch, MSG_DONTWAIT, nullptr);
    const auto now = Clock::now();
    for (int i = 0; i < got; ++i) {
      const auto at = static_cast<std::size_t>(i);
      take({buffers_[at].data(), messages[at].msg_len}, now);
    }
    return true;
  }

  void take(Bytes answer, Clock::time_point now) {
    if (answer.size() < 12 || in_flight_ == 0) return;
    --in_flight_;
    ++tally_->answered;
    ++tally_->rcodes[answer[3] & 15];
    const std::size_t id = std::size_t{answer[0]} << 8 | answer[1];
    const auto took = std::chrono::duration_cast<std::chrono::nanoseconds>(now - sent_at_[id]);
    // One in sixteen: enough for a p99 and cheap enough not to be what is measured.
    if (tally_->answered % 16 == 0) {
      tally_->latency_ns.push_back(static_cast<std::uint32_t>(took.count()));
    }
    const Question& question = questions_[id];
    if (question.expected != 0 && !holds(answer, question.expected)) ++tally_->wrong;
  }

  // The expected address stands somewhere in the answer as rdata of length 4.
  static bool holds(Bytes answer, std::uint32_t address) {
    std::array<std::uint8_t, 6> rdata{0, 4};
    std::memcpy(rdata.data() + 2, &address, 4);
    return std::search(answer.begin(), answer.end(), rdata.begin(), rdata.end()) != answer.end();
  }

  void give_up_outstanding() {
    tally_->lost += in_flight_;
    in_flight_ = 0;
  }

  const Options& options_;
  std::vector<Question> questions_;
  std::vector<Clock::time_point> sent_at_;
  std::array<std::array<std::uint8_t, 2048>, kBatch> buffers_{};
  Fd fd_;
  std::uint16_t next_id_ = 0;
  std::size_t in_flight_ = 0;
  Tally* tally_ = nullptr;
};

double quantile_us(std::vector<std::uint32_t>& values, double q) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)] / 1000.0;
}

void print(const Options& options, Tally& tally, double seconds, double server_cpu) {
  const double answered = static_cast<double>(tally.answered);
  std::printf(
      "{\"qps\": %.0f, \"sent\": %llu, \"answered\": %llu, \"lost\": %llu, \"wrong\": %llu, ",
      answered / seconds, static_cast<unsigned long long>(tally.sent),
      static_cast<unsigned long long>(tally.answered), static_cast<unsigned long long>(tally.lost),
      static_cast<unsigned long long>(tally.wrong));
  std::printf("\"rcodes\": {");
  const char* comma = "";
  for (const auto& [rcode, count] : tally.rcodes) {
    std::printf("%s\"%d\": %llu", comma, rcode, static_cast<unsigned long long>(count));
    comma = ", ";
  }
  std::printf("}, \"p50_us\": %.1f, \"p99_us\": %.1f", quantile_us(tally.latency_ns, 0.5),
              quantile_us(tally.latency_ns, 0.99));
  if (options.pid > 0) std::printf(", \"server_cpu_us\": %.3f", server_cpu * 1e6 / answered);
  std::puts("}");
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    usage();
    return 2;
  }
  if (options.cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(options.cpu), &set);
    sched_setaffinity(0, sizeof set, &set);
  }
  const auto networks =
      options.networks.empty() ? std::vector<Network>{} : read_networks(options.networks);
  if (!options.networks.empty() && networks.empty()) {
    std::cerr << "bench_dns_load: " << options.networks << " has no line PREFIX ADDRESS\n";
    return 1;
  }
  Random random(options.seed);
  std::vector<Question> questions(kQuestions);
  std::generate(questions.begin(), questions.end(),
                [&] { return make_question(options, networks, random); });
  Load load(options, std::move(questions));
  if (!load.open()) {
    std::cerr << "bench_dns_load: cannot reach " << options.server.to_string() << "\n";
    return 1;
  }
  Tally warm_up;
  load.run(0.3, warm_up);
  Tally tally;
  const double cpu_before = options.pid > 0 ? cpu_seconds(options.pid) : 0;
  const auto start = Clock::now();
  load.run(options.seconds, tally);
  const double took = std::chrono::duration<double>(Clock::now() - start).count();
  print(options, tally, took, options.pid > 0 ? cpu_seconds(options.pid) - cpu_before : 0);
  return tally.answered == 0 ? 1 : 0;
}
