// SPDX-License-Identifier: Apache-2.0
//
// A real lab, with real packets through real namespaces. Delays are reported, and asserted only
// never to be shorter than asked for: how much longer is the machine's matter.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "base/time.h"
#include "lab/control.h"
#include "lab/lab.h"
#include "lab/namespaces.h"

namespace isochrone::lab {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

constexpr int kPatienceMillis = 20'000;

// `isochrone lab run` in a child process, ready when constructed.
class RunningLab : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(testing::TempDir()) / ("lab" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory_);
    // Five nodes; every path between different ones takes 20 ms.
    matrix_file_ = directory_ / "rtt.tsv";
    std::ofstream matrix(matrix_file_);
    for (int i = 0; i < 5; ++i) {
      for (int j = 0; j < 5; ++j) matrix << (i == j ? 0 : 20) << ' ';
      matrix << '\n';
    }
    matrix.close();
    start();
  }
  void TearDown() override {
    stop(SIGTERM);
    std::filesystem::remove_all(directory_);
  }

  void start() {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    const Fd reading(ends[0]);
    Fd writing(ends[1]);
    pid_ = ::fork();
    if (pid_ == 0) {
      Options options;
      options.rtt_file = matrix_file_;
      options.plan = {2, 3, 0.4, 1, silent_share_};
      options.jitter = Micros(0);
      options.loss = 0;
      options.state_dir = directory_ / "state";
      const auto done = run(options, [&](const std::string& line) {
        static_cast<void>(!::write(writing.get(), line.data(), line.size()));
      });
      const std::string text = done ? "" : "error: " + done.error().text();
      static_cast<void>(!::write(writing.get(), text.data(), text.size()));
      ::_exit(done ? 0 : 1);
    }
    writing.reset();
    std::string told;
    std::array<char, 512> block{};
    while (told.find("ready") == std::string::npos) {
      pollfd waiting{reading.get(), POLLIN, 0};
      ASSERT_EQ(::poll(&waiting, 1, kPatienceMillis), 1) << told;
      const auto count = ::read(reading.get(), block.data(), block.size());
      ASSERT_GT(count, 0) << told;
      told.append(block.data(), static_cast<std::size_t>(count));
    }
  }
  void stop(int signal_number) {
    if (pid_ <= 0) return;
    ::kill(pid_, signal_number);
    ::waitpid(pid_, &status_, 0);
    pid_ = -1;
  }

  std::filesystem::path state() const { return directory_ / "state"; }
  Json ask_lab(const Json& request) const {
    const auto answer = ask(control_socket(state()), request.dump());
    return answer ? Json::parse(*answer) : Json{{"error", answer.error().text()}};
  }
  pid_t holder(const std::string& node) const {
    return ask_lab({{"command", "node"}, {"node", node}}).at("pid").get<pid_t>();
  }
  // Runs `inside` in a node's namespaces, in a child whose exit status it returns.
  int in_node(const std::string& node, const std::function<int()>& inside) const {
    const pid_t pid = holder(node);
    const pid_t child = ::fork();
    if (child == 0) ::_exit(enter_namespaces(pid) ? inside() : 255);
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 254;
  }

  double silent_share_ = 0;
  pid_t pid_ = -1;
  int status_ = -1;
  std::filesystem::path directory_;
  std::filesystem::path matrix_file_;
};

// Sends `count` echo requests to different hosts of a /24, one after the other; returns how many
// were answered, and adds 100 when one was answered before `least`.
int ping_hosts(const char* first_host, int count, Nanos least) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
  if (!socket) return 200;
  int answered = 0;
  int early = 0;
  Nanos sum{0};
  for (int i = 0; i < count; ++i) {
    const Address base = *Address::parse(first_host);
    const auto host = static_cast<std::uint64_t>(i) << 32;
    sockaddr_storage to{};
    const unsigned length =
        Endpoint{Address::from_bits(Family::v4, base.high() + host, 0), 0}.to_sockaddr(to);
    icmphdr request{};
    request.type = ICMP_ECHO;
    request.un.echo.sequence = htons(static_cast<std::uint16_t>(i));
    const auto sent = std::chrono::steady_clock::now();
    ::sendto(socket.get(), &request, sizeof request, 0, reinterpret_cast<sockaddr*>(&to), length);
    pollfd waiting{socket.get(), POLLIN, 0};
    if (::poll(&waiting, 1, kPatienceMillis) != 1) continue;
    const Nanos took = std::chrono::steady_clock::now() - sent;
    icmphdr reply{};
    if (::recv(socket.get(), &reply, sizeof reply, 0) != sizeof reply) continue;
    if (reply.type != ICMP_ECHOREPLY) continue;
    ++answered;
    sum += took - least;
    early += took < least ? 1 : 0;
  }
  std::fprintf(stderr, "requested %.3f ms, observed on average %+.3f ms\n",
               static_cast<double>(least.count()) / 1e6,
               static_cast<double>(sum.count()) / 1e6 / count);
  return answered + (early > 0 ? 100 : 0);
}

TEST_F(RunningLab, EveryHostOfANetworkAnswersAndNoneEarly) {
  EXPECT_EQ(in_node("s1", [] { return ping_hosts("198.18.0.1", 50, Millis(20)); }), 50);
}

TEST_F(RunningLab, ASilentNetworkAnswersNoPing) {
  stop(SIGTERM);
  silent_share_ = 1;
  start();
  const auto ping = [] {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
    sockaddr_storage to{};
    const unsigned length = Endpoint{*Address::parse("198.18.0.1"), 0}.to_sockaddr(to);
    icmphdr request{};
    request.type = ICMP_ECHO;
    return ::sendto(socket.get(), &request, sizeof request, 0, reinterpret_cast<sockaddr*>(&to),
                    length) == sizeof request
               ? 0
               : 1;
  };
  EXPECT_EQ(in_node("s1", ping), 0);
  const auto silent = [&] {
    return ask_lab({{"command", "status"}}).at("packets").at("silent").get<int>();
  };
  const auto give_up = std::chrono::steady_clock::now() + Millis(kPatienceMillis);
  while (silent() == 0 && std::chrono::steady_clock::now() < give_up) ::poll(nullptr, 0, 1);
  EXPECT_GE(silent(), 1);
  std::ifstream file(description_file(state()));
  EXPECT_EQ(Json::parse(file).at("networks").at(0).at("silent-to"), Json({"icmp", "tcp"}));
}

TEST_F(RunningLab, AChangedPathIsAsLongAsAskedFor) {
  const Json answer = ask_lab(
      {{"command", "path"}, {"site", "s1"}, {"network", "198.18.0.0/24"}, {"rtt-us", 60'000}});
  EXPECT_EQ(answer.at("before-ms"), 20.0);
  EXPECT_EQ(in_node("s1", [] { return ping_hosts("198.18.0.1", 3, Millis(60)); }), 3);
  const Json status = ask_lab({{"command", "status"}});
  EXPECT_EQ(status.at("changed-paths").size(), 1U);
}

TEST_F(RunningLab, TheClientNodeStandsInTheFirstNetwork) {
  EXPECT_EQ(in_node("client", [] { return ping_hosts("192.0.2.1", 2, Millis(20)); }), 2);
}

TEST_F(RunningLab, ASocketOfOneNodeReachesAnother) {
  const int status = in_node("hub", [&] {
    const Fd listener(::socket(AF_INET6, SOCK_STREAM, 0));
    sockaddr_storage any{};
    const unsigned length = Endpoint{*Address::parse("2001:db8:2::1"), 8053}.to_sockaddr(any);
    if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&any), length) != 0) return 1;
    if (::listen(listener.get(), 1) != 0) return 2;
    return in_node("s2", [&] {
      const Fd client(::socket(AF_INET6, SOCK_STREAM, 0));
      return ::connect(client.get(), reinterpret_cast<sockaddr*>(&any), length) == 0 ? 0 : 3;
    });
  });
  EXPECT_EQ(status, 0);
}

TEST_F(RunningLab, HasNoWayOut) {
  const auto count_interfaces = [] {
    std::ifstream devices("/proc/self/net/dev");
    int count = -2;  // header lines
    for (std::string line; std::getline(devices, line);) ++count;
    return count;
  };
  for (const char* node : {"s1", "s2", "hub", "resolver", "client"}) {
    EXPECT_EQ(in_node(node, count_interfaces), 2) << node;
  }
}

TEST_F(RunningLab, SaysWhatIsWrongWithACommand) {
  EXPECT_THAT(ask_lab({{"command", "cut"}, {"site", "s9"}}).at("error").get<std::string>(),
              HasSubstr("no site s9"));
  EXPECT_THAT(
      ask_lab({{"command", "truth"}, {"network", "10.0.0.0/8"}}).at("error").get<std::string>(),
      HasSubstr("no client network"));
  EXPECT_THAT(ask_lab({{"command", "loss"}, {"loss", 2}}).at("error").get<std::string>(),
              HasSubstr("0 to 1"));
  EXPECT_THAT(ask_lab(Json("text")).at("error").get<std::string>(), HasSubstr("JSON object"));
}

TEST_F(RunningLab, TellsProgramsWhoIsWhere) {
  std::ifstream file(description_file(state()));
  const Json lab = Json::parse(file);
  EXPECT_EQ(lab.at("nodes").size(), 5U);
  EXPECT_EQ(lab.at("networks").size(), 3U);
  EXPECT_EQ(lab.at("networks").at(0).at("rtt-ms"), Json::parse("[20.0, 20.0]"));
}

TEST_F(RunningLab, LeavesNothingBehind) {
  const pid_t site = holder("s1");
  stop(SIGTERM);
  EXPECT_TRUE(WIFEXITED(status_) && WEXITSTATUS(status_) == 0);
  EXPECT_NE(::kill(site, 0), 0);
  EXPECT_TRUE(std::filesystem::is_empty(state()));
}

TEST_F(RunningLab, EndsWhatRunsInside) {
  const pid_t site = holder("s1");
  const pid_t inside = ::fork();
  if (inside == 0) {
    if (!enter_namespaces(site)) ::_exit(1);
    ::execlp("sleep", "sleep", "600", nullptr);
    ::_exit(1);
  }
  // Wait until it is inside: only then has its namespace file the node's identity.
  const auto network_of = [](pid_t pid) {
    std::error_code error;
    return std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/ns/net", error);
  };
  while (network_of(inside) != network_of(site)) ::poll(nullptr, 0, 1);
  stop(SIGTERM);
  int status = 0;
  ASSERT_EQ(::waitpid(inside, &status, 0), inside);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

TEST_F(RunningLab, StartsAgainAfterItWasKilled) {
  stop(SIGKILL);
  start();
  EXPECT_EQ(ask_lab({{"command", "status"}}).at("ok"), true);
}

}  // namespace
}  // namespace isochrone::lab
