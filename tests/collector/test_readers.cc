// SPDX-License-Identifier: Apache-2.0
//
// Readers that wait: those that take nothing hold up nobody, and nothing is lost on those that are late.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "base/guarded.h"
#include "base/http_client.h"
#include "collector/collector.h"
#include "collector/log_rocksdb.h"
#include "collector/readers.h"
#include "event/codec.h"
#include "tests/collector/vocabulary.h"
#include "tests/support/daemon.h"

namespace isochrone::collector {
namespace {

using test::eventually;

constexpr Millis kTimeout{30'000};

// A client that takes what it is told to.
class Client final : public HttpStream {
 public:
  using HttpStream::write;
  bool write(std::shared_ptr<const std::string> bytes) override {
    written_.with([&](auto& all) { all.push_back(std::move(bytes)); });
    return is_open();
  }
  bool has_room() const override { return has_room_.load(); }
  void close() override { is_open_.store(false); }
  bool is_open() const override { return is_open_.load(); }

  void set_has_room(bool has_room) { has_room_.store(has_room); }
  std::vector<std::shared_ptr<const std::string>> pages() const {
    return written_.with([](const auto& all) { return all; });
  }
  std::string text() const {
    std::string text;
    for (const auto& page : pages()) {
      if (!page->starts_with(":")) text += *page;  // a comment, when it took long
    }
    return text;
  }
  bool has(std::string_view what) const { return text().find(what) != std::string::npos; }

 private:
  Guarded<std::vector<std::shared_ptr<const std::string>>> written_;
  std::atomic<bool> has_room_{true};
  std::atomic<bool> is_open_{true};
};

class ReadersTest : public ::testing::Test {
 protected:
  void append(std::uint64_t from, std::uint64_t to, Instant at = kStart) {
    std::vector<event::Event> events;
    for (std::uint64_t i = from; i <= to; ++i) {
      events.push_back(measured(i, i % 2 == 0 ? "iad" : "fra", "192.0.2.0/24", at, Micros(9)));
    }
    ASSERT_TRUE(log_->append(events, {}, at));
    readers_.grown();
  }
  std::shared_ptr<Client> follow(Read read = {}, bool has_room = true) {
    auto client = std::make_shared<Client>();
    client->set_has_room(has_room);
    read.encoding = Encoding::server_sent;
    readers_.stream(std::move(read), client);
    return client;
  }

  TemporaryFolder folder_;
  std::unique_ptr<EventLog> log_ = std::move(*open_rocksdb_log(folder_.path() / "log"));
  Readers readers_{*log_};
};

TEST_F(ReadersTest, OneThatTakesNothingIsWaitedForAlone) {
  const auto quick = follow();
  const auto slow = follow({}, false);
  append(1, 1'200);
  EXPECT_TRUE(eventually([&] { return quick->has("id: 1200\n"); }));
  EXPECT_TRUE(slow->pages().empty());
  slow->set_has_room(true);
  EXPECT_TRUE(eventually([&] { return slow->has("id: 1200\n"); }));
  EXPECT_EQ(slow->text(), quick->text()) << "late, and whole";
}

TEST_F(ReadersTest, ThoseAtTheSamePlaceShareOnePage) {
  const auto first = follow();
  const auto second = follow();
  Read only;
  only.filter = std::make_shared<const Filter>(Filter::parse("site == \"iad\"").value());
  const auto other = follow(only);
  append(1, 10);
  ASSERT_TRUE(eventually([&] { return readers_.streaming() == 3 && other->has("id: 10\n"); }));
  EXPECT_FALSE(other->has("id: 9\n"));
  // Almost always at once; but the log may grow while one of them has been served and the other not.
  std::uint64_t next = 11;
  EXPECT_TRUE(eventually([&] {
    append(next, next);
    const std::string id = "id: " + std::to_string(next++) + "\n";
    const auto has_come = [&] { return first->has(id) && second->has(id); };
    return eventually(has_come) && first->pages().back() == second->pages().back();
  }));
  EXPECT_EQ(first->text(), second->text());
}

TEST_F(ReadersTest, OneThatFellBehindWhatIsKeptIsToldTheGap) {
  append(1, 1);
  const auto slow = follow();
  ASSERT_TRUE(eventually([&] { return slow->has("id: 1\n"); }));
  slow->set_has_room(false);
  append(2, 8);
  append(9, 9, kStart + Seconds(100));
  Retention keep;
  keep.fill({Seconds(60), 0});
  ASSERT_GT(log_->trim(keep, kStart + Seconds(120), 100), 0U);
  slow->set_has_room(true);
  ASSERT_TRUE(eventually([&] { return slow->has("id: 9\n"); }));
  EXPECT_TRUE(slow->has("event: gap\ndata: {\"first\":2,\"last\":8}")) << slow->text();
}

TEST_F(ReadersTest, AnIntervalEnds) {
  append(1, 4);
  append(5, 8, kStart + Seconds(10));
  Read read;
  read.since = kStart;
  read.to = kStart + Seconds(5);
  const auto client = follow(read);
  EXPECT_TRUE(eventually([&] { return client.use_count() == 1; })) << "it is let go at the end";
  EXPECT_TRUE(client->has("id: 4\n"));
  EXPECT_FALSE(client->has("id: 5\n"));
}

TEST_F(ReadersTest, AreSentAwayWhenWhatTheyMaySeeChanges) {
  const auto client = follow();
  ASSERT_TRUE(eventually([&] { return readers_.streaming() == 1; }));
  readers_.dismiss();
  EXPECT_TRUE(eventually([&] { return client.use_count() == 1 && readers_.streaming() == 0; }));
}

// Over HTTP, some hundred of them.
Fd connect_to(std::uint16_t port, std::string_view path) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{kTimeout.count() / 1'000, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const int small = 16'384;  // what the kernel holds for those that do not read
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  sockaddr_storage to{};
  const unsigned length = Endpoint{Address::v4(127, 0, 0, 1), port}.to_sockaddr(to);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), length), 0);
  const std::string request =
      "GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n";
  EXPECT_EQ(::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  return fd;
}

// Everything up to and with `last`; what came, when the server ends before.
std::string read_until(const Fd& fd, std::string_view last) {
  std::string text;
  std::string chunk(65'536, '\0');
  while (text.find(last) == std::string::npos) {
    const ssize_t count = ::recv(fd.get(), chunk.data(), chunk.size(), 0);
    if (count <= 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(count));
  }
  return text;
}

TEST(ReadersOverHttp, HundredsThatReadNothingHoldUpNoWriter) {
  TemporaryFolder folder;
  Options options = test_options();
  options.state_dir = folder.path();
  const auto collector = std::move(*Collector::start(options, two_sites()));
  constexpr std::size_t kIdle = 300;
  const std::string path = "/v1/channels/measurement/events";
  std::vector<Fd> idle;
  for (std::size_t i = 0; i < kIdle; ++i) idle.push_back(connect_to(collector->port(), path));
  HttpClient client("http://127.0.0.1:" + std::to_string(collector->port()));
  const auto streams = [&] {
    const auto status = nlohmann::json::parse(client.get("/v1/status", kTimeout)->body);
    return status["readers"]["streams"].get<std::size_t>();
  };
  ASSERT_TRUE(eventually([&] { return streams() == kIdle; }));
  const Fd busy = connect_to(collector->port(), path);
  // 3 MB for each: far more than its sockets take.
  constexpr std::uint64_t kBatches = 6;
  constexpr std::uint64_t kBatch = 2'000;
  for (std::uint64_t n = 0; n < kBatches; ++n) {
    std::string body;
    for (std::uint64_t i = 1; i <= kBatch; ++i) {
      event::append_delimited(body, measured(n * kBatch + i, "fra", "192.0.2.0/24",
                                             std::chrono::system_clock::now(), Micros(9'000)));
    }
    const auto reply = client.post(path, "application/x-protobuf", body, kTimeout);
    ASSERT_TRUE(reply) << reply.error().text();
    ASSERT_EQ(nlohmann::json::parse(reply->body)["accepted"], kBatch);
  }
  const std::string last = "id: " + std::to_string(kBatches * kBatch) + "\n";
  const std::string all = read_until(busy, last);
  EXPECT_NE(all.find(last), std::string::npos);
  EXPECT_EQ(streams(), kIdle + 1) << "those that are late are not cut off";
  // One that begins to read now misses nothing.
  const std::string late = read_until(idle.front(), last);
  const auto up_to_last = [&](std::string text) {
    text = text.substr(text.find("\r\n\r\n"));
    const std::string comment = ": still here\n\n";
    for (auto at = text.find(comment); at != std::string::npos; at = text.find(comment)) {
      text.erase(at, comment.size());
    }
    return text.substr(0, text.find(last));
  };
  EXPECT_TRUE(up_to_last(late) == up_to_last(all)) << late.size() << " and " << all.size();
}

}  // namespace
}  // namespace isochrone::collector
