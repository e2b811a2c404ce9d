// SPDX-License-Identifier: Apache-2.0
//
// passive_load: what watching costs with many connections, real ones over loopback.
//
// usage: bench_passive_load CONNECTIONS SECONDS: prints one line of JSON. Both ends are in children of
// this process in its network namespace: `unshare -rn sh -c 'ip link set lo up; bench_passive_load 100000 30'`.
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <vector>

#include "base/text.h"
#include "prober/passive.h"

namespace {

using namespace isochrone;
using namespace isochrone::prober;

constexpr std::uint16_t kPort = 4443;

// Few systems let one process have 200 000 files.
constexpr std::uint32_t kPerProcess = 5'000;

struct Pair {
  Fd client, server;
};

// Clients of 250 networks, 127.N.x.y, as many of each.
bool connect_one(int listener, std::uint32_t number, Pair& pair) {
  pair.client = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage name{};
  const auto byte = [&](unsigned of, unsigned modulo) {
    return static_cast<std::uint8_t>(number / of % modulo + 1);
  };
  unsigned length =
      Endpoint{Address::v4(127, byte(1, 250), 0, byte(250, 200)), 0}.to_sockaddr(name);
  if (::bind(pair.client.get(), reinterpret_cast<sockaddr*>(&name), length) != 0) return false;
  length = Endpoint{Address::v4(127, 0, 0, 1), kPort}.to_sockaddr(name);
  if (::connect(pair.client.get(), reinterpret_cast<sockaddr*>(&name), length) != 0) return false;
  pair.server = Fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  return static_cast<bool>(pair.server);
}

// A child that makes connections and holds them until it is ended. Its listener has the port for itself.
bool hold(std::uint32_t first, std::uint32_t count, std::vector<pid_t>& holders) {
  std::array<int, 2> ready{};
  if (::pipe(ready.data()) != 0) return false;
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int yes = 1;
    ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_storage name{};
    const unsigned length = Endpoint{Address::v4(127, 0, 0, 1), kPort}.to_sockaddr(name);
    std::vector<Pair> pairs(count);
    char is_well = ::bind(listener.get(), reinterpret_cast<sockaddr*>(&name), length) == 0 &&
                   ::listen(listener.get(), 64) == 0;
    for (std::uint32_t i = 0; is_well && i < count; ++i) {
      is_well = connect_one(listener.get(), first + i, pairs[i]);
    }
    // No listener in the way of the next child.
    ::shutdown(listener.get(), SHUT_RDWR);
    if (::write(ready[1], &is_well, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char is_well = 0;
  const bool is_told = ::read(ready[0], &is_well, 1) == 1;
  ::close(ready[0]);
  ::close(ready[1]);
  if (child > 0) holders.push_back(child);
  return is_told && is_well;
}

double cpu_seconds() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

double resident_mb() {
  std::ifstream file("/proc/self/statm");
  double pages = 0;
  file >> pages >> pages;
  return pages * 4096 / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
  const auto count = argc == 3 ? parse_number<std::uint32_t>(argv[1]) : std::nullopt;
  const auto seconds = argc == 3 ? parse_number<unsigned>(argv[2]) : std::nullopt;
  if (!count || !seconds) {
    std::fprintf(stderr, "usage: bench_passive_load CONNECTIONS SECONDS\n");
    return 2;
  }
  std::vector<pid_t> holders;
  bool is_well = true;
  for (std::uint32_t first = 0; is_well && first < *count; first += kPerProcess) {
    is_well = hold(first, std::min(kPerProcess, *count - first), holders);
  }
  auto diag = TcpDiag::open();
  if (!is_well || !diag) {
    std::perror("cannot make so many connections");
    return 1;
  }

  Options options;
  options.allow_private = true;
  options.passive.ports = {kPort};
  // So that all count as heard of, however long it took to make them.
  options.passive.interval = Millis(10'000);
  PassiveCounters counters;
  Loop loop;
  const double before_mb = resident_mb();
  const double before = cpu_seconds();
  Passive passive(loop, std::move(*diag), options, 1, counters, [](const Observation&) {});
  Timer end(loop, [&] { loop.stop(); });
  end.start(Millis(1000) * *seconds);
  loop.run();
  const double cpu = cpu_seconds() - before;
  const auto seen = static_cast<double>(counters.connections.value());
  std::printf(
      "{\"connections\":%u,\"sweeps\":%.0f,\"seen\":%.0f,\"told\":%.0f,\"cpu_seconds\":%.3f,"
      "\"cpu_percent\":%.2f,\"cpu_us_per_connection\":%.2f,\"mb\":%.1f}\n",
      *count, static_cast<double>(counters.sweeps.value()), seen,
      static_cast<double>(counters.rtts.value()), cpu, cpu / *seconds * 100, cpu / seen * 1e6,
      resident_mb() - before_mb);
  for (const pid_t each : holders) {
    ::kill(each, SIGKILL);
    ::waitpid(each, nullptr, 0);
  }
  return 0;
}
