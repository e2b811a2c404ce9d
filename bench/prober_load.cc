// SPDX-License-Identifier: Apache-2.0
//
// prober_load: the prober's engine over many addresses, as scripts/bench prober drives it.
//
// Everything a probe costs in a running prober is here but the posting of events: targets, rounds,
// pacing, packets, stamps, matching. One line of JSON at the end.
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "prober/engine.h"

namespace {

using namespace isochrone;
using namespace isochrone::prober;

struct Arguments {
  Address first = Address::v4(10, 64, 0, 1);
  std::uint32_t targets = 1;
  std::string file;  // one address a line, instead of a range
  std::uint32_t rate = 1'000;
  unsigned probes = 5;    // of each target
  Millis length{60'000};  // of the round; 0: as short as the rate allows
  Millis timeout{1'000};
  Method method = Method::icmp;
  std::string dump;  // address, number of the probe, RTT in ns (-1: lost), a line each
};

bool parse(int argc, char** argv, Arguments& to) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const std::string value = argv[i + 1];
    if (flag == "--first") {
      to.first = Address::parse(value).value_or(Address());
    } else if (flag == "--targets") {
      to.targets = parse_number<std::uint32_t>(value).value_or(0);
    } else if (flag == "--file") {
      to.file = value;
    } else if (flag == "--rate") {
      to.rate = parse_number<std::uint32_t>(value).value_or(1);
    } else if (flag == "--probes") {
      to.probes = parse_number<unsigned>(value).value_or(1);
    } else if (flag == "--length-ms") {
      to.length = Millis(parse_number<unsigned>(value).value_or(0));
    } else if (flag == "--timeout-ms") {
      to.timeout = Millis(parse_number<unsigned>(value).value_or(1'000));
    } else if (flag == "--tcp") {
      to.method = value == "yes" ? Method::tcp : Method::icmp;
    } else if (flag == "--dump") {
      to.dump = value;
    } else {
      return false;
    }
  }
  return argc % 2 == 1 && to.targets > 0 && to.rate > 0;
}

std::vector<Address> addresses_of(const Arguments& arguments) {
  std::vector<Address> all;
  if (!arguments.file.empty()) {
    std::ifstream file(arguments.file);
    for (std::string line; std::getline(file, line);) {
      if (const auto address = Address::parse(line)) all.push_back(*address);
    }
    return all;
  }
  const std::uint64_t first = arguments.first.high() >> 32;
  for (std::uint32_t i = 0; i < arguments.targets; ++i) {
    all.push_back(Address::from_bits(Family::v4, (first + i) << 32, 0));
  }
  return all;
}

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t pages = 0;
  file >> pages >> pages;
  return pages * 4096;
}

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

struct Seen {
  Address address;
  std::int64_t rtt = -1;
};

double quantile(const std::vector<std::int64_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto at = static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1));
  return static_cast<double>(sorted[at]) / 1e3;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!parse(argc, argv, arguments)) {
    std::fprintf(
        stderr,
        "usage: bench_prober_load [--first ADDRESS --targets N | --file FILE] [--rate PPS] "
        "[--probes N] [--length-ms MS] [--timeout-ms MS] [--tcp yes] [--dump FILE]\n");
    return 2;
  }
  const auto addresses = addresses_of(arguments);
  const std::size_t before = resident_bytes();
  Options options;
  options.site = "bench";
  options.allow_private = true;
  options.methods = {arguments.method};
  options.rate_pps = arguments.rate;
  options.rate_per_network_pps = arguments.rate;  // a range of addresses lies in few networks
  options.probes_per_round = arguments.probes;
  options.round_interval = std::max(arguments.length, Millis(1));
  options.timeout = arguments.timeout;
  for (const Address& address : addresses) {
    options.targets.push_back({Prefix(address, address.width()), address});
  }
  auto wire = Wire::open(options);
  if (!wire) {
    std::fprintf(stderr, "%s\n", wire.error().text().c_str());
    return 1;
  }
  const std::size_t wanted = addresses.size() * arguments.probes;
  std::vector<Seen> seen;
  seen.reserve(wanted);
  const std::size_t reserved = resident_bytes();  // what has been touched so far
  Counters counters;
  Loop loop;
  Engine engine(loop, std::move(*wire), options, 1, counters, [&](const Observation& one) {
    seen.push_back({one.prefix.address(), one.rtt ? one.rtt->count() : -1});
    if (seen.size() >= wanted) loop.stop();
  });
  const std::size_t targets_bytes = resident_bytes() - reserved;
  options = Options();
  const double cpu_before = cpu_seconds();
  const Monotonic started = loop.now();
  loop.run();
  const double seconds = static_cast<double>((loop.now() - started).count()) / 1e9;
  const double cpu = cpu_seconds() - cpu_before;

  std::vector<std::int64_t> rtts;
  for (const Seen& one : seen) {
    if (one.rtt >= 0) rtts.push_back(one.rtt);
  }
  std::sort(rtts.begin(), rtts.end());
  const MethodCounters& of = counters.of(arguments.method);
  std::printf(
      "{\"targets\":%zu,\"sent\":%llu,\"answered\":%llu,\"lost\":%llu,\"late\":%llu,\"forged\":%"
      "llu,"
      "\"send_errors\":%llu,\"seconds\":%.4f,\"pps\":%.0f,\"cpu_seconds\":%.4f,\"cpu_us\":%.3f,"
      "\"bytes_per_target\":%.0f,\"rss_mb\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f}\n",
      addresses.size(), static_cast<unsigned long long>(of.sent.value()),
      static_cast<unsigned long long>(of.answered.value()),
      static_cast<unsigned long long>(of.lost.value()),
      static_cast<unsigned long long>(of.late.value()),
      static_cast<unsigned long long>(of.forged.value()),
      static_cast<unsigned long long>(counters.send_errors.value()), seconds,
      static_cast<double>(seen.size()) / seconds, cpu,
      cpu * 1e6 / static_cast<double>(std::max<std::size_t>(seen.size(), 1)),
      static_cast<double>(targets_bytes) / static_cast<double>(addresses.size()),
      static_cast<double>(resident_bytes() - before) / 1e6, quantile(rtts, 0.5),
      quantile(rtts, 0.99));
  if (!arguments.dump.empty()) {
    std::ofstream file(arguments.dump);
    for (const Seen& one : seen) file << one.address.to_string() << ' ' << one.rtt << '\n';
  }
  return 0;
}
