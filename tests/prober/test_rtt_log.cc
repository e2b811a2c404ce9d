// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "prober/rtt_log.h"
#include "tests/app/scratch.h"
#include "tests/prober/vocabulary.h"

namespace isochrone::prober {
namespace {

TEST(RttLine, TakesTheAddressAndTheLastWord) {
  struct Case {
    const char* line;
    unsigned field;
    const char* client;  // empty: nothing
    int rtt_us;
  };
  const Case cases[]{
      {"192.0.2.7 23456", 1, "192.0.2.7", 23'456},
      {"192.0.2.7 - - [01/May/2024:12:00:00 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"x\" 900\r", 1,
       "192.0.2.7", 900},
      {"May  1 12:00:00 edge haproxy[7]: 2001:db8::9 443 \"31000\"", 6, "2001:db8::9", 31'000},
      {"\"192.0.2.7\" 5  ", 1, "192.0.2.7", 5},
      {"192.0.2.7 -", 1, "", 0},
      {"192.0.2.7 0", 1, "", 0},
      {"192.0.2.7 60000001", 1, "", 0},
      {"unix: 500", 1, "", 0},
      {"192.0.2.7", 1, "", 0},
      {"192.0.2.7 500", 2, "", 0},
      {"", 1, "", 0},
      {"  ", 1, "", 0},
  };
  for (const Case& each : cases) {
    const auto rtt = parse_rtt_line(each.line, each.field);
    ASSERT_EQ(rtt.has_value(), *each.client != '\0') << each.line;
    if (!rtt) continue;
    EXPECT_EQ(rtt->client, address(each.client)) << each.line;
    EXPECT_EQ(rtt->rtt, Micros(each.rtt_us)) << each.line;
  }
}

class RttLogTest : public testing::Test {
 protected:
  void write(const std::string& text, const char* name = "access.log") {
    std::ofstream(scratch_.path() / name, std::ios::app) << text;
  }
  std::vector<std::string> look(RttLog& log, int times = 1) {
    std::vector<std::string> lines;
    for (; times > 0; --times) {
      log.look([&](std::string_view line) { lines.emplace_back(line); });
    }
    return lines;
  }
  using Lines = std::vector<std::string>;

  app::Scratch scratch_;
  const std::filesystem::path path_ = scratch_.path() / "access.log";
};

TEST_F(RttLogTest, ReadsWhatIsWrittenFromNowOnWholeLinesOnly) {
  write("old\nbegun ");
  RttLog log(path_);
  write("before\nnew\nhal");
  EXPECT_EQ(look(log), Lines{"new"});
  write("f\n");
  EXPECT_EQ(look(log), Lines{"half"});
  EXPECT_EQ(look(log), Lines{});
}

TEST_F(RttLogTest, LosesNoLineWhenTheFileIsRenamed) {
  write("old\n");
  RttLog log(path_);
  write("1\n");
  std::filesystem::rename(path_, scratch_.path() / "access.log.1");
  EXPECT_EQ(look(log), Lines{"1"});
  write("2\n", "access.log.1");  // who writes was not told yet
  write("3\n");
  EXPECT_EQ(look(log), Lines{"2"});
  write("still\n", "access.log.1");
  EXPECT_EQ(look(log), Lines{"still"});
  EXPECT_EQ(look(log, RttLog::kQuietLooks + 1), Lines{"3"});
  EXPECT_EQ(log.rotations(), 1U);
  write("4\n");
  EXPECT_EQ(look(log), Lines{"4"});
}

TEST_F(RttLogTest, StartsAgainWhenTheFileIsCutOff) {
  RttLog log(path_);
  write("a line of some length\n");
  EXPECT_EQ(look(log).size(), 1U);
  std::filesystem::resize_file(path_, 0);
  write("after\n");
  EXPECT_EQ(look(log, 2), Lines{"after"});
  EXPECT_EQ(log.rotations(), 1U);
}

TEST_F(RttLogTest, WaitsForAFileThatIsNotThereAndReadsAllOfIt) {
  RttLog log(path_);
  EXPECT_EQ(look(log), Lines{});
  write("first\n");
  EXPECT_EQ(look(log), Lines{"first"});
}

TEST_F(RttLogTest, SkipsALineThatIsTooLongAndReadsNoMoreThanItMay) {
  write("x\n");
  RttLog log(path_);
  write(std::string(kMaxLineBytes + 1, 'a') + "\n" + std::string(kMaxLineBytes, 'b') + "\nc\n");
  const Lines lines = look(log);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].size(), kMaxLineBytes);
  EXPECT_EQ(log.too_long(), 1U);
  std::string much;
  for (std::size_t i = 0; i < 2 * RttLog::kMaxReadBytes / 4; ++i) much += "abc\n";
  write(much);
  EXPECT_LE(look(log).size() * 4, RttLog::kMaxReadBytes + 64 * 1024);
  EXPECT_FALSE(look(log).empty());
}

}  // namespace
}  // namespace isochrone::prober
