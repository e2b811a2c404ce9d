// SPDX-License-Identifier: Apache-2.0
//
// xdp_load: asks a DNS server by AF_XDP over one cable, and says what that cost the server.
//
// As bench_dns_load, but frames: the server may take them by its kernel's sockets or by AF_XDP, the
// load is the same. Closed loop: a fixed number of questions is outstanding, an answer makes room for
// the next. With --rate the loop is open. It never sleeps. Prints one JSON object (load_report.h).
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "base/text.h"
#include "bench/load_questions.h"
#include "bench/load_report.h"
#include "dns/frame.h"
#include "dns/xdp_port.h"

namespace {

using namespace isochrone;
using namespace isochrone::bench;
using dns::XdpSocket;

// Questions that leave together.
constexpr std::size_t kBurst = 32;
// A question without an answer for so long is lost.
constexpr std::chrono::milliseconds kPatience{200};

struct Options {
  std::string interface;
  Endpoint client;
  Endpoint server;
  dns::MacAddress server_mac{};
  dns::XdpMode mode = dns::XdpMode::copy;
  QuestionSpec questions;
  double seconds = 2;
  double rate = 0;
  std::size_t outstanding = 512;
  int pid = 0;
  int cpu = -1;
};

void usage() {
  std::puts(
      "usage: bench_xdp_load --interface NAME --client ADDRESS@PORT --server ADDRESS@PORT\n"
      "                      --server-mac MAC [options]\n"
      "  --mode copy|skb   how frames are received (copy)\n"
      "  --name NAME       asked for; % stands for a number below --names (www.bench.example)\n"
      "  --names N         how many (1)\n"
      "  --networks FILE   lines of PREFIX ADDRESS: ask with that Client Subnet, expect that "
      "answer\n"
      "  --edns            add an OPT record\n"
      "  --rate QPS        open loop at that rate, instead of as fast as answers come\n"
      "  --seconds S (2)  --outstanding N (512)  --seed N (1)\n"
      "  --pid PID         the server's process, for CPU per answer\n"
      "  --cpu N           run on this core");
}

bool parse_mac(const std::string& text, dns::MacAddress& mac) {
  const auto parts = split(text, ':');
  if (parts.size() != mac.size()) return false;
  for (std::size_t i = 0; i < mac.size(); ++i) {
    const auto& part = parts[i];
    if (std::from_chars(part.data(), part.data() + part.size(), mac[i], 16).ec != std::errc()) {
      return false;
    }
  }
  return true;
}

bool parse_endpoint(const std::string& text, Endpoint& to) {
  const auto endpoint = Endpoint::parse(text);
  if (endpoint) to = *endpoint;
  return endpoint.has_value();
}

bool set(Options& options, const std::string& flag, const std::string& value) {
  if (flag == "--interface") return options.interface = value, true;
  if (flag == "--client") return parse_endpoint(value, options.client);
  if (flag == "--server") return parse_endpoint(value, options.server);
  if (flag == "--server-mac") return parse_mac(value, options.server_mac);
  if (flag == "--mode") {
    options.mode = value == "skb" ? dns::XdpMode::skb : dns::XdpMode::copy;
    return value == "skb" || value == "copy";
  }
  if (flag == "--name") return options.questions.name = value, true;
  if (flag == "--names") return options.questions.names = std::stoull(value), true;
  if (flag == "--networks") return options.questions.networks = value, true;
  if (flag == "--seed") return options.questions.seed = std::stoull(value), true;
  if (flag == "--seconds") return options.seconds = std::stod(value), true;
  if (flag == "--rate") return options.rate = std::stod(value), true;
  if (flag == "--outstanding") return options.outstanding = std::stoull(value), true;
  if (flag == "--pid") return options.pid = std::stoi(value), true;
  if (flag == "--cpu") return options.cpu = std::stoi(value), true;
  return false;
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--edns") {
      options.questions.edns = true;
    } else if (i + 1 >= argc || !set(options, flag, argv[++i])) {
      return false;
    }
  }
  return options.client.port != 0 && options.server.port != 0 && !options.interface.empty();
}

// A frame from the server to us with nothing in it: what queries are "replies" to.
std::vector<std::uint8_t> empty_frame(const Options& options, const dns::MacAddress& mac) {
  std::vector<std::uint8_t> frame(dns::kFrameHeadersV6);
  ByteWriter out(frame);
  out.put(mac);
  out.put(options.server_mac);
  const auto from = options.server.address.bytes();
  const auto to = options.client.address.bytes();
  if (options.server.address.is_v4()) {
    out.u16(0x0800);
    out.put(std::array<std::uint8_t, 12>{});
    out.put(Bytes(from).first(4));
    out.put(Bytes(to).first(4));
  } else {
    out.u16(0x86dd);
    out.put(std::array<std::uint8_t, 8>{});
    out.put(from);
    out.put(to);
  }
  out.u16(options.server.port);
  out.u16(options.client.port);
  return frame;
}

// A question as it goes onto the cable.
struct Framed {
  std::array<std::uint8_t, 184> bytes;
  std::size_t size = 0;
};

class Load {
 public:
  Load(const Options& options, std::vector<Question> questions, dns::XdpPort port)
      : options_(options),
        questions_(std::move(questions)),
        port_(std::move(port)),
        socket_(port_.queues.front().socket),
        headers_(options.server.address.is_v4() ? dns::kFrameHeadersV4 : dns::kFrameHeadersV6),
        frames_(questions_.size()),
        sent_at_(questions_.size()) {
    const auto empty = empty_frame(options, port_.interface.mac);
    for (std::size_t id = 0; id < questions_.size(); ++id) {
      Question& question = questions_[id];
      question.set_id(static_cast<std::uint16_t>(id));
      Framed& frame = frames_[id];
      std::memcpy(frame.bytes.data() + headers_, question.bytes.data(), question.size);
      frame.size = dns::seal_reply(empty, question.size, 0, frame.bytes);
    }
  }

  void run(double seconds, Tally& tally) {
    tally_ = &tally;
    start_ = last_answer_ = Clock::now();
    first_sent_ = tally.sent;
    const auto end = start_ + std::chrono::duration_cast<Clock::duration>(
                                  std::chrono::duration<double>(seconds));
    for (auto now = start_; now < end; now = Clock::now()) {
      send(now);
      receive();
      if (options_.rate == 0 && in_flight_ > 0 && now - last_answer_ > kPatience) give_up();
    }
    while (in_flight_ > 0 && Clock::now() - last_answer_ < kPatience) receive();
    give_up();
  }

 private:
  std::size_t due(Clock::time_point now) const {
    if (options_.rate == 0)
      return options_.outstanding - std::min(in_flight_, options_.outstanding);
    const double seconds = std::chrono::duration<double>(now - start_).count();
    const auto wanted = static_cast<std::uint64_t>(seconds * options_.rate);
    return wanted - std::min(wanted, tally_->sent - first_sent_);
  }

  void send(Clock::time_point now) {
    const std::size_t count = std::min<std::size_t>(due(now), kBurst);
    // A card, too, hands over what came while it was busy; one frame at a time would measure wake-ups.
    if (options_.rate == 0 && count < kBurst && in_flight_ > 0 && is_taken_) return;
    if (count == 0 && is_taken_) return;
    for (std::size_t i = 0; i < count; ++i) {
      const MutableBytes room = socket_.reply_room();
      if (room.empty()) break;
      const Framed& frame = frames_[next_];
      std::memcpy(room.data(), frame.bytes.data(), frame.size);
      socket_.commit(frame.size);
      sent_at_[next_++] = now;
      ++in_flight_;
      ++tally_->sent;
    }
    is_taken_ = socket_.transmit();
  }

  void receive() {
    const unsigned received = socket_.receive();
    if (received == 0) return;
    const auto now = last_answer_ = Clock::now();
    for (unsigned i = 0; i < received; ++i) {
      const Bytes frame = socket_.frame(i);
      if (frame.size() > headers_ + 12) take(frame.subspan(headers_), now);
    }
    socket_.release();
  }

  void take(Bytes answer, Clock::time_point now) {
    if (in_flight_ == 0) return;  // given up already
    --in_flight_;
    ++tally_->answered;
    ++tally_->rcodes[answer[3] & 15];
    const std::size_t id = std::size_t{answer[0]} << 8 | answer[1];
    tally_->latency.add(now - sent_at_[id]);
    if (!is_right(questions_[id], answer)) ++tally_->wrong;
  }

  void give_up() {
    tally_->lost += in_flight_;
    in_flight_ = 0;
    last_answer_ = Clock::now();
  }

  const Options& options_;
  std::vector<Question> questions_;
  dns::XdpPort port_;
  XdpSocket& socket_;
  const std::size_t headers_;
  std::vector<Framed> frames_;
  std::vector<Clock::time_point> sent_at_;
  std::uint16_t next_ = 0;
  std::size_t in_flight_ = 0;
  bool is_taken_ = true;
  std::uint64_t first_sent_ = 0;
  Clock::time_point start_;
  Clock::time_point last_answer_;
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
    std::cerr << "bench_xdp_load: no questions: does " << options.questions.networks
              << " have lines of PREFIX ADDRESS, and is the name short enough?\n";
    return 1;
  }
  auto port = dns::open_xdp_port(options.interface, options.mode, {options.client});
  if (!port) {
    std::cerr << "bench_xdp_load: " << port.error().text() << "\n";
    return 1;
  }
  Load load(options, std::move(questions), std::move(*port));
  Tally warm_up;
  load.run(0.3, warm_up);
  Tally tally;
  const CpuTime before = cpu_time(options.pid);
  const auto start = Clock::now();
  load.run(options.seconds, tally);
  const double took = std::chrono::duration<double>(Clock::now() - start).count();
  const CpuTime after = cpu_time(options.pid);
  const CpuTime spent{after.user - before.user, after.system - before.system};
  std::puts(report(tally, took, options.pid > 0 ? &spent : nullptr).c_str());
  return tally.answered == 0 ? 1 : 0;
}
