// SPDX-License-Identifier: Apache-2.0
//
// How many events a second are made durable: the collector through its API, and peers that keep
// octets and do nothing else.
//
// usage: bench_events_load collector|rocksdb|append|memory [--seconds S] [--rate N] [--folder DIR]
//                          [--readers N] [--nats URL]
// Prints one JSON object: events, seconds, events_per_s, and the times from a batch sent to its
// acknowledgement. Every batch is of 1000 events; a peer's event is 100 octets. With readers, so many
// follow the channel by Server-Sent Events meanwhile, and what one costs the collector is printed too. With a
// URL the collector's log is there, in JetStream.
#include <fcntl.h>
#include <malloc.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/descriptors.h"
#include "base/http_client.h"
#include "collector/collector.h"
#include "event/codec.h"
#include "routing/state.h"

namespace isochrone {
namespace {

constexpr std::size_t kBatch = 1'000;
constexpr std::size_t kSites = 8;
constexpr std::size_t kPrefixes = 20'000;
constexpr std::size_t kOctets = 100;  // of a peer's event

using Clock = std::chrono::steady_clock;

struct Settings {
  double seconds = 3;
  double rate = 0;  // events a second of all clients together; 0: as fast as it goes
  std::filesystem::path folder;
  std::size_t readers = 0;
  std::string nats;
};

struct Measured {
  std::uint64_t events = 0;
  double seconds = 0;
  std::vector<double> ack_ms;
};

routing::Topology topology() {
  routing::Topology topology;
  routing::Service service;
  service.name = "www.example.com";
  for (std::size_t i = 0; i < kSites; ++i) {
    topology.sites.push_back({"site-" + std::to_string(i), {}, {}});
    service.sites.emplace_back(static_cast<std::uint16_t>(i));
  }
  topology.services = {service};
  return topology;
}

// One site's posts, made before the clock starts: only times and sequences are filled in later.
class Posts {
 public:
  explicit Posts(std::size_t site) : site_(site), source_("prober-site-" + std::to_string(site)) {}

  // Batch number `n` of this site, its events made now.
  std::string batch(std::uint64_t n) const {
    const Instant now = std::chrono::system_clock::now();
    std::string body;
    body.reserve(kBatch * 110);
    event::Event event;
    event.id = {source_, 1'700'000'000'000'000, n * kBatch};
    event.task = "site-" + std::to_string(site_) + "-round-" + std::to_string(n / 20);
    event::Measurement measurement{"site-" + std::to_string(site_), {}, routing::Method::icmp, {}};
    for (std::size_t i = 0; i < kBatch; ++i) {
      const std::size_t network = (n * kBatch + i) / 3 % kPrefixes;
      measurement.prefix = {
          Address::from_bits(Family::v4, std::uint64_t{0x0a00'0000 + (network << 8)} << 32, 0), 24};
      measurement.rtt = Micros(10'000 + static_cast<std::int64_t>(network * 7 % 90'000));
      ++event.id.sequence;
      event.time = now;
      event.payload = measurement;
      event::append_delimited(body, event);
    }
    return body;
  }

 private:
  std::size_t site_;
  std::string source_;
};

// Where in a body the eight octets of each event's time are, so that a prepared one can be dated.
std::vector<std::size_t> time_offsets(const std::string& body) {
  std::vector<std::size_t> offsets;
  Bytes rest(reinterpret_cast<const std::uint8_t*>(body.data()), body.size());
  while (!rest.empty()) {
    const auto event = event::next_delimited(rest);
    if (!event) break;
    const std::size_t id = (*event)[1];  // a tag and a length of one octet before it, a tag after
    offsets.push_back(static_cast<std::size_t>(event->data() -
                                               reinterpret_cast<const std::uint8_t*>(body.data())) +
                      2 + id + 1);
  }
  return offsets;
}

void date(std::string& body, const std::vector<std::size_t>& offsets) {
  const std::int64_t now = unix_nanos(std::chrono::system_clock::now());
  for (const std::size_t at : offsets) std::memcpy(body.data() + at, &now, sizeof now);
}

// At a given rate acknowledgements are timed when all networks have been seen once and decided about: that
// twenty thousand appear in one second is not what the rate stands for.
Clock::duration warm_up(const Settings& settings) {
  return settings.rate > 0 ? std::chrono::seconds(2) : std::chrono::seconds(0);
}

void client(std::uint16_t port, std::size_t site, const Settings& settings, std::size_t clients,
            Measured& to) {
  const Posts posts(site);
  HttpClient http("http://127.0.0.1:" + std::to_string(port));
  // As many as can be sent in the time, at a million a second; made while no clock runs.
  const auto count =
      static_cast<std::uint64_t>(settings.seconds * (settings.rate > 0 ? settings.rate : 1e6) /
                                 static_cast<double>(clients) / static_cast<double>(kBatch)) +
      1;
  std::vector<std::string> bodies;
  for (std::uint64_t n = 0; n < count; ++n) bodies.push_back(posts.batch(n));
  static std::atomic<std::size_t> ready{0};
  ready.fetch_add(1);
  while (ready.load() < clients) std::this_thread::yield();
  const auto start = Clock::now();
  const auto end = start + std::chrono::duration_cast<Clock::duration>(
                               std::chrono::duration<double>(settings.seconds));
  for (std::uint64_t n = 0; n < count && Clock::now() < end; ++n) {
    auto sent = Clock::now();
    if (settings.rate > 0) {
      // From when it should have been sent: a stall counts for all that it held up. Clients take turns.
      sent = start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(
                         static_cast<double>((n * clients + site) * kBatch) / settings.rate));
      std::this_thread::sleep_until(sent);
    }
    date(bodies[n], time_offsets(bodies[n]));
    const auto reply = http.post("/v1/channels/measurement/events", "application/x-protobuf",
                                 bodies[n], Millis(30'000));
    if (!reply || reply->status != 200 ||
        reply->body.find("\"accepted\":1000") == std::string::npos) {
      std::fprintf(stderr, "refused: %s\n",
                   reply ? reply->body.c_str() : reply.error().text().c_str());
      std::exit(1);
    }
    to.events += kBatch;
    if (sent < start + warm_up(settings)) continue;
    to.ack_ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - sent).count());
  }
  to.seconds = std::chrono::duration<double>(Clock::now() - start).count();
}

// In KiB.
long resident() {
  long kib = 0;
  std::FILE* status = std::fopen("/proc/self/status", "r");
  for (char line[256]; std::fgets(line, sizeof line, status) != nullptr;) {
    if (std::sscanf(line, "VmRSS: %ld", &kib) == 1) break;
  }
  std::fclose(status);
  return kib;
}

// A bench_event_readers, from when all its readers are there until it is told to end.
class ReadersProcess {
 public:
  ReadersProcess(std::uint16_t port, std::size_t count) {
    int down[2];
    int up[2];
    if (::pipe2(down, O_CLOEXEC) != 0 || ::pipe2(up, O_CLOEXEC) != 0) std::exit(1);
    const auto program =
        std::filesystem::read_symlink("/proc/self/exe").parent_path() / "bench_event_readers";
    const std::string port_text = std::to_string(port);
    const std::string count_text = std::to_string(count);
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(down[0], 0);
      ::dup2(up[1], 1);
      ::execl(program.c_str(), program.c_str(), port_text.c_str(), count_text.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(down[0]);
    ::close(up[1]);
    input_ = down[1];
    output_ = ::fdopen(up[0], "r");
    char line[256];
    if (std::fgets(line, sizeof line, output_) == nullptr) std::exit(1);
  }
  std::string end() {
    ::close(input_);
    char line[256] = "";
    if (std::fgets(line, sizeof line, output_) == nullptr) std::exit(1);
    std::fclose(output_);
    ::waitpid(child_, nullptr, 0);
    return {line, std::strlen(line) - 1};
  }

 private:
  pid_t child_ = -1;
  int input_ = -1;
  std::FILE* output_ = nullptr;
};

Measured through_the_api(const Settings& settings) {
  collector::Options options;
  options.listen = {Address::v4(127, 0, 0, 1), 0};
  options.node_name = "bench";
  options.state_dir = settings.folder;
  if (!settings.nats.empty()) options.log.servers = {settings.nats};
  raise_descriptor_limit();
  options.max_connections = static_cast<unsigned>(settings.readers) + 100;
  auto started = collector::Collector::start(options, topology());
  if (!started) {
    std::fprintf(stderr, "%s\n", started.error().text().c_str());
    std::exit(1);
  }
  std::optional<ReadersProcess> readers;
  const long before = resident();
  if (settings.readers > 0) {
    readers.emplace((*started)->port(), settings.readers);
    std::fprintf(stdout, "{\"bytes_per_reader\":%ld,",
                 (resident() - before) * 1'024 / static_cast<long>(settings.readers));
  }
  constexpr std::size_t kClients = kSites;
  std::vector<Measured> each(kClients);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kClients; ++i) {
    threads.emplace_back(client, (*started)->port(), i, std::cref(settings), kClients,
                         std::ref(each[i]));
  }
  for (std::thread& thread : threads) thread.join();
  if (readers) {
    std::fprintf(stdout, "\"bytes_per_reader_after\":%ld,\"readers\":%s,",
                 (resident() - before) * 1'024 / static_cast<long>(settings.readers),
                 readers->end().c_str());
  }
  Measured all;
  for (const Measured& one : each) {
    all.events += one.events;
    all.seconds = std::max(all.seconds, one.seconds);
    all.ack_ms.insert(all.ack_ms.end(), one.ack_ms.begin(), one.ack_ms.end());
  }
  return all;
}

// `write` keeps one batch; `batch` counts them.
template <class Write>
Measured peer(const Settings& settings, Write write) {
  Measured all;
  const auto start = Clock::now();
  std::uint64_t batch = 0;
  while (all.seconds < settings.seconds) {
    auto sent = Clock::now();
    if (settings.rate > 0) {
      sent = start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(
                         static_cast<double>(batch * kBatch) / settings.rate));
      std::this_thread::sleep_until(sent);
    }
    write(batch++);
    const auto done = Clock::now();
    all.ack_ms.push_back(std::chrono::duration<double, std::milli>(done - sent).count());
    all.events += kBatch;
    all.seconds = std::chrono::duration<double>(done - start).count();
  }
  return all;
}

Measured raw_rocksdb(const Settings& settings) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.compression = rocksdb::kNoCompression;
  rocksdb::DB* raw = nullptr;
  if (!rocksdb::DB::Open(options, settings.folder.string(), &raw).ok()) std::exit(1);
  const std::unique_ptr<rocksdb::DB> db(raw);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  const std::string value(kOctets, 'x');
  return peer(settings, [&](std::uint64_t n) {
    rocksdb::WriteBatch batch;
    for (std::uint64_t i = 0; i < kBatch; ++i) {
      const std::uint64_t key = __builtin_bswap64(n * kBatch + i);
      batch.Put({reinterpret_cast<const char*>(&key), 8}, value);
    }
    if (!db->Write(synced, &batch).ok()) std::exit(1);
  });
}

Measured append_file(const Settings& settings) {
  const int fd = ::open((settings.folder / "file").c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  const std::string value(kBatch * kOctets, 'x');
  const auto measured = peer(settings, [&](std::uint64_t) {
    if (::write(fd, value.data(), value.size()) < 0 || ::fdatasync(fd) != 0) std::exit(1);
  });
  ::close(fd);
  return measured;
}

// `begun`: an object's beginning is printed already.
void print(Measured measured, bool begun = false) {
  auto& times = measured.ack_ms;
  std::sort(times.begin(), times.end());
  const auto quantile = [&](double share) {
    return times.empty()
               ? 0
               : times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
  };
  std::printf(
      "%s\"events\":%llu,\"seconds\":%.3f,\"events_per_s\":%.0f,\"ack_p50_ms\":%.2f,"
      "\"ack_p99_ms\":%.2f,\"ack_max_ms\":%.2f}\n",
      begun ? "" : "{", static_cast<unsigned long long>(measured.events), measured.seconds,
      static_cast<double>(measured.events) / measured.seconds, quantile(0.5), quantile(0.99),
      times.empty() ? 0 : times.back());
}

// Two million paths as the core holds them, 250 000 networks seen by 8 sites each.
int memory() {
  constexpr std::size_t kNetworks = 250'000;
  const std::size_t before = mallinfo2().uordblks;
  routing::PerformanceState state;
  for (std::size_t n = 0; n < kNetworks; ++n) {
    const Prefix prefix(
        Address::from_bits(Family::v4, std::uint64_t{0x0a00'0000 + (n << 8)} << 32, 0), 24);
    routing::PrefixState& known = state.at(prefix);
    for (std::uint16_t site = 0; site < kSites; ++site) {
      known.set(routing::SiteId(site), routing::Estimate{});
    }
    known.prefer(routing::ServiceId(0), routing::SiteId(0));
  }
  std::printf("{\"estimate_bytes\":%zu,\"paths\":%zu,\"bytes\":%zu}\n", sizeof(routing::Estimate),
              kNetworks * kSites, mallinfo2().uordblks - before);
  return 0;
}

}  // namespace
}  // namespace isochrone

int main(int argc, char** argv) {
  using namespace isochrone;
  const std::string what = argc > 1 ? argv[1] : "";
  Settings settings;
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--seconds") settings.seconds = std::atof(argv[i + 1]);
    if (flag == "--rate") settings.rate = std::atof(argv[i + 1]);
    if (flag == "--readers") settings.readers = static_cast<std::size_t>(std::atoi(argv[i + 1]));
    if (flag == "--nats") settings.nats = argv[i + 1];
    if (flag == "--folder") settings.folder = argv[i + 1];
  }
  if (what == "memory") return memory();
  if (settings.folder.empty()) return std::fprintf(stderr, "--folder is missing\n"), 2;
  if (what == "collector") return print(through_the_api(settings), settings.readers > 0), 0;
  if (what == "rocksdb") return print(raw_rocksdb(settings)), 0;
  if (what == "append") return print(append_file(settings)), 0;
  return std::fprintf(stderr, "collector, rocksdb, append or memory\n"), 2;
}
