// SPDX-License-Identifier: Apache-2.0
//
// The journal on disk: what was served leads to what is served, whatever happened in between.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "base/random.h"
#include "dns/zone_history.h"
#include "tests/app/scratch.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

using Texts = std::multiset<std::string>;

std::string text_of(const ZoneRecord& record) {
  return fmt::format("{} {} {} {}", name_to_text(record.owner), record.type, record.ttl,
                     to_hex(record.data));
}
Texts texts_of(const VersionRecords& version) {
  Texts texts;
  std::size_t at = 0;
  ZoneRecord soa;
  if (version.soa.next(at, soa)) texts.insert(text_of(soa));
  version.each([&](const ZoneRecord& record) { texts.insert(text_of(record)); });
  return texts;
}

// What a secondary has that holds `records` and gets `steps`.
Texts applied(Texts records, const Journal::Steps& steps) {
  for (const auto& step : steps) {
    std::size_t at = 0;
    ZoneRecord record;
    while (step->removed.next(at, record)) {
      const auto found = records.find(text_of(record));
      EXPECT_NE(found, records.end()) << text_of(record);
      if (found != records.end()) records.erase(found);
    }
    at = 0;
    while (step->added.next(at, record)) records.insert(text_of(record));
  }
  return records;
}

struct Version {
  explicit Version(const std::string& zone) : zones(zones_of({{"example.com", zone}}, topology)) {}
  ZoneVersion version() const { return {*zones, topology, zones->zones().front()}; }
  Texts texts() const { return texts_of(records_of(version())); }

  routing::Topology topology = three_sites();
  std::shared_ptr<const ZoneSet> zones;
};

std::vector<Version> random_versions(std::uint32_t count, Random& random) {
  std::vector<Version> versions;
  for (std::uint32_t serial = 1; serial <= count; ++serial) {
    std::string zone = fmt::format("@ 60 SOA ns h {} 2 3 4 5\n@ 60 NS ns.elsewhere.org.\n", serial);
    for (int i = 0; i < 12; ++i) {
      if (random.below(2) == 0) zone += fmt::format("n{} 60 A 192.0.2.{}\n", i, random.below(3));
      if (random.below(4) == 0)
        zone += fmt::format("n{} {} MX 5 n{}\n", i, 60 + random.below(2), i);
    }
    versions.emplace_back(zone);
  }
  return versions;
}

std::vector<std::uint8_t> bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class StoredHistory : public ::testing::Test {
 protected:
  ZoneHistory history() const { return {"example.com", file_}; }
  std::optional<StoredJournal> stored() const { return read_journal(file_); }

  app::Scratch folder_;
  const std::filesystem::path file_ = folder_.path() / "zones" / "example.com.journal";
  Random random_{1995};
};

TEST_F(StoredHistory, LeadsFromEveryVersionToTheNewestAcrossRestarts) {
  for (int round = 0; round < 30; ++round) {
    std::filesystem::remove(file_);
    const auto versions = random_versions(8, random_);
    auto now = history();
    now.begin(versions[0].version());
    for (std::size_t i = 1; i < versions.size(); ++i) {
      // A restart between two versions, before or after the change, or none.
      const auto kind = random_.below(3);
      if (kind == 0) {
        now.extend(versions[i - 1].version(), versions[i].version());
      } else {
        if (kind == 1) now.extend(versions[i - 1].version(), versions[i].version());
        now = history();
        now.begin(versions[i].version());
      }
      ASSERT_TRUE(now.journal());
      for (std::size_t held = 0; held < i; ++held) {
        const auto steps = now.journal()->since(static_cast<std::uint32_t>(held + 1));
        ASSERT_EQ(steps.size(), i - held);
        EXPECT_EQ(applied(versions[held].texts(), steps), versions[i].texts());
      }
    }
  }
}

TEST_F(StoredHistory, ATornTailIsCutAndWhatIsBeforeItHolds) {
  const auto versions = random_versions(5, random_);
  auto now = history();
  now.begin(versions[0].version());
  for (std::size_t i = 1; i < 5; ++i) now.extend(versions[i - 1].version(), versions[i].version());
  const auto whole = bytes_of(file_);
  std::size_t served = 5;
  for (std::size_t size = whole.size(); size-- > 0;) {
    const auto cut = decode_journal(Bytes(whole).first(size));
    if (!cut) {
      EXPECT_EQ(served, 1U) << "the version itself is the first thing written";
      break;
    }
    ASSERT_LE(cut->serial(), served);
    served = cut->serial();
    ASSERT_EQ(texts_of(cut->newest()), versions[served - 1].texts()) << size;
  }
}

TEST_F(StoredHistory, GoesOnBehindATornTail) {
  const auto versions = random_versions(4, random_);
  {
    auto now = history();
    now.begin(versions[0].version());
    now.extend(versions[0].version(), versions[1].version());
  }
  std::ofstream(file_, std::ios::binary | std::ios::app) << "S torn in the middle of";
  auto now = history();
  now.begin(versions[1].version());
  now.extend(versions[1].version(), versions[2].version());
  const auto held = stored();
  ASSERT_TRUE(held);
  EXPECT_EQ(held->serial(), 3U);
  EXPECT_EQ(held->octets, bytes_of(file_).size()) << "the torn tail is gone";
  EXPECT_EQ(applied(versions[0].texts(), held->journal.since(1)), versions[2].texts());
}

TEST_F(StoredHistory, NoDamageIsBelieved) {
  const auto versions = random_versions(4, random_);
  auto now = history();
  now.begin(versions[0].version());
  for (std::size_t i = 1; i < 4; ++i) now.extend(versions[i - 1].version(), versions[i].version());
  const auto whole = bytes_of(file_);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    auto damaged = whole;
    damaged[at] ^= static_cast<std::uint8_t>(1U << (at % 8));
    const auto read = decode_journal(damaged);
    if (!read) continue;
    ASSERT_EQ(texts_of(read->newest()), versions[read->serial() - 1].texts()) << at;
  }
}

TEST_F(StoredHistory, TheSameSerialWithOtherContentsStartsAnew) {
  const Version one("@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.other.\na 60 A 192.0.2.1\n");
  const Version other("@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.other.\na 60 A 192.0.2.2\n");
  const Version older("@ 60 SOA ns h 4294967295 2 3 4 5\n@ 60 NS ns.other.\n");
  history().begin(one.version());
  auto now = history();
  now.begin(other.version());
  EXPECT_FALSE(now.journal());
  now = history();
  now.begin(older.version());
  EXPECT_FALSE(now.journal()) << "4294967295 comes before 1 (RFC 1982)";
  EXPECT_EQ(texts_of(stored()->newest()), older.texts());
}

TEST_F(StoredHistory, StaysBounded) {
  const auto versions = random_versions(2, random_);
  auto now = history();
  now.begin(versions[0].version());
  std::string zone = "@ 60 SOA ns h 2 2 3 4 5\n@ 60 NS ns.other.\n";
  for (int i = 0; i < 4'000; ++i)
    zone += fmt::format("n{} 60 TXT \"{}\"\n", i, std::string(200, 'x'));
  std::optional<Version> before;
  std::size_t largest = 0;
  for (std::uint32_t serial = 2; serial < 40; ++serial) {
    std::string text = zone;
    text.replace(text.find(" h 2 "), 5, fmt::format(" h {} ", serial));
    if (serial % 2 == 0) text.resize(text.find("n0 "));
    std::optional<Version> after(text);
    now.extend(before ? before->version() : versions[0].version(), after->version());
    before.emplace(text);
    largest = std::max<std::size_t>(largest, std::filesystem::file_size(file_));
  }
  EXPECT_LT(largest, 3 * kMaxJournalOctets);
  std::size_t kept = 0;
  for (const auto& step : now.journal()->steps()) kept += step->octets();
  EXPECT_LE(kept, kMaxJournalOctets);
  EXPECT_GT(kept, kMaxJournalOctets / 2);
}

TEST(StoredJournalWithoutAFile, IsInMemoryAlone) {
  const Version one("@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.other.\n");
  const Version two("@ 60 SOA ns h 2 2 3 4 5\n@ 60 NS ns.other.\n");
  ZoneHistory now("example.com", {});
  now.begin(one.version());
  now.extend(one.version(), two.version());
  EXPECT_EQ(now.journal()->since(1).size(), 1U);
}

TEST_F(StoredHistory, ADiskThatDoesNotTakeItLeavesMemory) {
  std::ofstream(folder_.path() / "zones") << "a file where the folder should be";
  const auto versions = random_versions(3, random_);
  auto now = history();
  now.begin(versions[0].version());
  now.extend(versions[0].version(), versions[1].version());
  now.extend(versions[1].version(), versions[2].version());
  EXPECT_EQ(now.journal()->since(1).size(), 2U);
  std::filesystem::remove(folder_.path() / "zones");
}

}  // namespace
}  // namespace isochrone::dns::testing
