// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "dns/snapshot_file.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

NodeState full_state() {
  NodeState state = static_map();
  prefer(state, "2001:db8::/33", kSin);
  prefer(state, "0.0.0.0/0", kIad);
  state.state_position = {"log-1", 41};
  state.health_position = {"log-1", 17};
  state.newest = from_unix_nanos(1'700'000'000'123'456'789);
  state.health["fra"] = {event::HealthStatus::down, event::HealthStatus::draining};
  state.health["elsewhere"] = {};
  return state;
}

void expect_same(const NodeState& a, const NodeState& b) {
  EXPECT_EQ(a.state_position, b.state_position);
  EXPECT_EQ(a.health_position, b.health_position);
  EXPECT_EQ(a.newest, b.newest);
  EXPECT_EQ(a.health, b.health);
  ASSERT_EQ(a.performance.size(), b.performance.size());
  a.performance.for_each([&b](const routing::PrefixState& state) {
    const auto other = b.performance.find(state.prefix);
    ASSERT_TRUE(other) << state.prefix.to_string();
    EXPECT_EQ(other->version, state.version);
    EXPECT_EQ(other->paths, state.paths);
    EXPECT_EQ(other->preferences, state.preferences);
  });
}

class SnapshotFile : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "isochrone-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path file() const { return folder_ / kSnapshotFile; }

  std::filesystem::path folder_;
};

TEST(Crc32c, GivesTheKnownValues) {  // RFC 3720 appendix B.4
  EXPECT_EQ(crc32c(std::vector<std::uint8_t>(32, 0)), 0x8a91'36aaU);
  EXPECT_EQ(crc32c(std::vector<std::uint8_t>(32, 0xff)), 0x62a8'ab43U);
}

TEST_F(SnapshotFile, GivesBackWhatWasWritten) {
  const NodeState state = full_state();
  ASSERT_TRUE(write_snapshot(file(), encode_snapshot(state, three_sites())));
  expect_same(state, load_snapshot(file(), three_sites()));
  EXPECT_FALSE(std::filesystem::exists(file().string() + ".new"));
}

TEST_F(SnapshotFile, IsEmptyStateWhenThereIsNone) {
  EXPECT_EQ(load_snapshot(file(), three_sites()).performance.size(), 0U);
  EXPECT_FALSE(std::filesystem::exists(file().string() + ".broken"));
}

TEST_F(SnapshotFile, SetsABrokenFileAside) {
  std::ofstream(file()) << "not a snapshot";
  EXPECT_EQ(load_snapshot(file(), three_sites()).performance.size(), 0U);
  EXPECT_FALSE(std::filesystem::exists(file()));
  EXPECT_TRUE(std::filesystem::exists(file().string() + ".broken"));
}

TEST_F(SnapshotFile, TellsWhatCouldNotBeWritten) {
  const auto written = write_snapshot("/nonexistent/folder/file", from_hex("00"));
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().text().find("/nonexistent/folder/file"), std::string::npos);
}

TEST(SnapshotBytes, AreRefusedWhenCutShortOrAltered) {
  const auto bytes = encode_snapshot(full_state(), three_sites());
  ASSERT_TRUE(decode_snapshot(bytes, three_sites()));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_snapshot(Bytes(bytes).first(size), three_sites())) << size;
  }
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto flipped = bytes;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
    EXPECT_FALSE(decode_snapshot(flipped, three_sites())) << bit;
  }
}

TEST(SnapshotBytes, FollowNamesIntoAnotherConfiguration) {
  const auto bytes = encode_snapshot(full_state(), three_sites());
  routing::Topology topology = three_sites();
  topology.sites.erase(topology.sites.begin());  // fra is gone
  const auto state = decode_snapshot(bytes, topology);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->performance.find(prefix("10.1.2.0/24"))->paths.size(), 2U);
  EXPECT_EQ(state->state_position.position, 41U) << "nothing is missing: go on from there";
  topology.sites.push_back({"new", {}, {}});
  const auto grown = decode_snapshot(bytes, topology);
  ASSERT_TRUE(grown);
  EXPECT_EQ(grown->state_position.position, 0U) << "what the file left out is read again";
}

}  // namespace
}  // namespace isochrone::dns::testing
