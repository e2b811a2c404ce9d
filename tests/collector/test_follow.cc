// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "collector/follow.h"
#include "collector/log_rocksdb.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

Result<Read> parsed(std::map<std::string, std::string> query,
                    std::map<std::string, std::string> headers = {}) {
  HttpRequest request;
  request.query = std::move(query);
  request.headers = std::move(headers);
  return parse_read(event::Channel::measurement, request, kStart);
}

TEST(Follow, ReadsWhatIsAsked) {
  const auto read = parsed({{"after", "7"}, {"limit", "20"}, {"wait", "30s"}, {"since", "15m"}});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->after, 7U);
  EXPECT_EQ(read->limit, 20U);
  EXPECT_EQ(read->wait, Seconds(30));
  EXPECT_EQ(read->since, kStart - Seconds(900));
}

TEST(Follow, ResumesAStreamWhereItsReaderWas) {
  const auto read =
      parsed({{"after", "7"}}, {{"accept", "text/event-stream"}, {"last-event-id", "9"}});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->encoding, Encoding::server_sent);
  EXPECT_EQ(read->after, 9U);
}

TEST(Follow, SaysWhatIsWrong) {
  EXPECT_EQ(parsed({{"after", "x"}}).error().text(), "after=x is not a whole number");
  EXPECT_EQ(parsed({{"wait", "soon"}}).error().text(), "wait=soon is no duration like 30s or 15m");
  EXPECT_EQ(parsed({{"prefix", "a"}}).error().text(), "prefix=a is no prefix like 192.0.2.0/24");
}

TEST(Follow, TellsAReaderThatFellBehindWhatItMissed) {
  TemporaryFolder folder;
  const auto log = std::move(*open_rocksdb_log(folder.path() / "log"));
  for (std::uint64_t i = 1; i <= 9; ++i) {
    ASSERT_TRUE(log->append({measured(i, "fra", "192.0.2.0/24", kStart, Micros(9))}, {},
                            kStart + Seconds(i)));
  }
  Retention keep;
  keep.fill({Seconds(60), 0});
  ASSERT_EQ(log->trim(keep, kStart + Seconds(65), 100), 4U);
  const auto gap_after = [&](event::Position after) {
    Read read;
    read.after = after;
    const auto response = to_response(*log, read, read_page(*log, read));
    const auto found = response.headers.find("X-Isochrone-Gap");
    return found == response.headers.end() ? std::string() : found->second;
  };
  EXPECT_EQ(gap_after(0), "") << "a reader that begins missed nothing";
  EXPECT_EQ(gap_after(1), "2-4");
  EXPECT_EQ(gap_after(4), "");
  EXPECT_EQ(gap_after(7), "");
}

TEST(Follow, LooksPastWhatAFilterDrops) {
  TemporaryFolder folder;
  const auto log = std::move(*open_rocksdb_log(folder.path() / "log"));
  for (std::uint64_t i = 1; i <= 30; ++i) {
    const auto event = measured(i, i == 25 ? "iad" : "fra", "192.0.2.0/24", kStart, Micros(9));
    ASSERT_TRUE(log->append({event}, {}, kStart));
  }
  Read read;
  read.limit = 4;
  read.site = "iad";
  const ReadPage page = read_page(*log, read);
  EXPECT_EQ(page.events, 1U);
  EXPECT_EQ(page.scanned, 30U);
  EXPECT_NE(page.body.find("\"position\":25"), std::string::npos);
}

}  // namespace
}  // namespace isochrone::collector
