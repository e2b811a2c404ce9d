// SPDX-License-Identifier: Apache-2.0
//
// One flipped bit in a file of the log or in a DNS node's snapshot: what it hits is lost, an event, or two
// where it frames both, and counted; everything else is there.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <vector>

#include "dns/snapshot_file.h"
#include "tests/faults/scene.h"

namespace isochrone::test {
namespace {

// By one bit: what it frames ends with one event and begins with the next.
constexpr std::uint64_t kMostHit = 2;

using Files = std::vector<std::filesystem::path>;

Files files_of(const Scene& scene, const std::function<bool(const std::string&)>& wanted) {
  Files files;
  for (const auto& entry : std::filesystem::directory_iterator(scene.log_dir())) {
    if (entry.file_size() > 0 && wanted(entry.path().filename())) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Says where.
std::string flip(const std::filesystem::path& path, std::uint64_t from, std::uint64_t to,
                 Random& random) {
  const std::uint64_t at = from + random.below(to - from);
  const auto bit = random.below(8);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  const int octet = file.get();
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(octet ^ (1 << bit)));
  EXPECT_TRUE(file.good()) << path;
  return fmt::format("bit {} of octet {} of {}", bit, at, path.string());
}

// Lives that leave tables and a write-ahead log behind.
void fill_log(Scene& scene) {
  for (int life = 0; life < 3; ++life) {
    ASSERT_TRUE(scene.start());
    scene.post(3);
    scene.pass(1'200);
    scene.post(3);
    scene.kill();
  }
}

enum class Where { wal_middle, wal_tail, table, manifest, current };

std::string flip_somewhere(Scene& scene, Where where) {
  Random& random = scene.random();
  Files files;
  switch (where) {
    case Where::wal_middle:
    case Where::wal_tail:
      files = files_of(scene, [](const auto& name) { return name.ends_with(".log"); });
      break;
    case Where::table:
      files = files_of(scene, [](const auto& name) { return name.ends_with(".sst"); });
      break;
    case Where::manifest:
      files = files_of(scene, [](const auto& name) { return name.starts_with("MANIFEST"); });
      break;
    case Where::current:
      files = files_of(scene, [](const auto& name) { return name == "CURRENT"; });
      break;
  }
  if (files.empty()) {
    ADD_FAILURE() << "no file to flip a bit of";
    return {};
  }
  const bool is_log = where == Where::wal_middle || where == Where::wal_tail;
  const auto& file = is_log ? files.back() : files[random.below(files.size())];
  const std::uint64_t size = std::filesystem::file_size(file);
  const std::uint64_t tail = std::max<std::uint64_t>(size, 100) - 100;
  if (where == Where::wal_middle) return flip(file, 0, tail, random);
  return flip(file, where == Where::wal_tail ? tail : 0, size, random);
}

void flip_rounds(std::string_view fault, Where where) {
  Findings all;
  for (unsigned round = 0; round < fault_rounds() && !testing::Test::HasFailure(); ++round) {
    Scene scene(round);
    fill_log(scene);
    SCOPED_TRACE(fmt::format("round {}: {}", round, flip_somewhere(scene, where)));
    ASSERT_TRUE(scene.start());
    const auto missing = scene.history().missing(scene.read("measurement"));
    std::set<Prefix> forget;
    for (const event::EventId& id : missing) forget.insert(scene.history().network_of(id));
    Findings found = scene.check(forget);
    const auto status = get_json(scene.url(), "/v1/status");
    const auto told = status.at("events").at("lost").get<std::uint64_t>();
    if (found.lost <= kMostHit) found.hit = std::exchange(found.lost, 0);
    if (told < found.hit) ++found.untold;
    // It may be an event of another channel that was hit: one network's newest state.
    if (told > found.hit && found.states == 1) found.states = 0;
    EXPECT_EQ(found.lost, 0U) << "told " << told << "\n" << scene.daemon().log();
    all += found;
  }
  report(fault, all);
}

TEST(Faults, ABitOfTheMiddleOfTheWal) { flip_rounds("bit-wal-middle", Where::wal_middle); }
TEST(Faults, ABitOfTheTailOfTheWal) { flip_rounds("bit-wal-tail", Where::wal_tail); }
TEST(Faults, ABitOfATable) { flip_rounds("bit-table", Where::table); }
TEST(Faults, ABitOfTheManifest) { flip_rounds("bit-manifest", Where::manifest); }
TEST(Faults, ABitOfCurrent) { flip_rounds("bit-current", Where::current); }

// A DNS node whose snapshot is damaged says so and answers from what it can still know.
TEST(Faults, ABitOfTheSnapshotOfADnsNode) {
  World world;
  Daemon collector(world.write("collector.yaml", world.collector_only()));
  ASSERT_TRUE(collector.is_ready()) << collector.log();
  std::string lines;
  for (std::uint64_t i = 0; i < 90; ++i) {
    const bool is_near = i % 3 == 1;
    lines +=
        measurement(std::array{"fra", "iad", "sin"}[i % 3],
                    fmt::format("198.51.{}.0/24", i / 3 % 10), is_near ? 10'000 : 80'000, i + 1);
  }
  ASSERT_TRUE(post(collector.collector_url(), "measurement", lines));
  const std::string config = world.write("dns.yaml", world.dns_only(collector.collector_url()));
  const std::filesystem::path file = world.path(std::string("state-ns1/") + dns::kSnapshotFile);
  {
    Daemon dns(config);
    ASSERT_TRUE(dns.is_ready()) << dns.log();
    for (int network = 0; network < 10; ++network) {
      ASSERT_TRUE(eventually([&] {
        return answers(dns.endpoint("dns"), fmt::format("198.51.{}.0/24", network), "192.0.2.2");
      }));
    }
    ASSERT_EQ((dns.signal(SIGTERM), dns.ended()), 0);
  }
  collector.kill();
  const auto whole = world.path("whole");
  ASSERT_TRUE(std::filesystem::copy_file(file, whole));
  unsigned silent = 0;
  unsigned wrong = 0;
  for (unsigned round = 0; round < fault_rounds(); ++round) {
    Random random(round);
    std::filesystem::copy_file(whole, file, std::filesystem::copy_options::overwrite_existing);
    SCOPED_TRACE(flip(file, 0, std::filesystem::file_size(file), random));
    Daemon dns(config);
    ASSERT_TRUE(dns.is_ready()) << dns.log();
    if (dns.log().find("dns.snapshot.broken") == std::string::npos) ++silent;
    for (int network = 0; network < 10; ++network) {
      // As before, or in the service's own order.
      const std::string client = fmt::format("198.51.{}.0/24", network);
      const auto given = answer_for(dns.endpoint("dns"), client);
      const bool is_right = given && (*given == *Address::parse("192.0.2.2") ||
                                      *given == *Address::parse("192.0.2.1"));
      if (!is_right) ++wrong;
    }
  }
  fmt::print("bit-snapshot: rounds {} wrong {} untold {}\n", fault_rounds(), wrong, silent);
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(silent, 0U);
}

}  // namespace
}  // namespace isochrone::test
