// SPDX-License-Identifier: Apache-2.0
//
// Whatever is wrong with what is sent: a precise status, a reason in JSON, a counter that moves by one,
// and the good event of the same batch is kept.
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/http_client.h"
#include "collector/collector.h"
#include "event/codec.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

using nlohmann::json;

constexpr Millis kTimeout{30'000};
constexpr std::size_t kMaxBody = 64 << 10;
constexpr const char* kProtobuf = "application/x-protobuf";
constexpr const char* kNdjson = "application/x-ndjson";

class BadInput : public ::testing::Test {
 protected:
  BadInput() {
    Options options = test_options();
    options.state_dir = folder_.path();
    options.max_body_bytes = kMaxBody;
    options.access.tokens = {{"noc", sha256("noc"), {event::Role::operate}, {}, {}, false},
                             {"fra", sha256("fra"), {event::Role::prober}, {"fra"}, {}, false}};
    Policy far;
    far.name = "too-far";
    far.effect = Effect::block;
    far.filter = std::make_shared<const Filter>(Filter::parse("rtt_ms > 30000").value());
    options.policies = {far};
    auto started = Collector::start(options, two_sites());
    EXPECT_TRUE(started) << started.error().text();
    collector_ = std::move(*started);
  }

  HttpClient client(const std::string& token) const {
    HttpAccess access("http://127.0.0.1:" + std::to_string(collector_->port()));
    access.token = token;
    return HttpClient(access);
  }
  // The value of a counter, by its name and labels as they are written.
  double counter(const std::string& name) const {
    const std::string text = client("noc").get("/metrics", kTimeout)->body;
    const auto at = text.find("\n" + name + " ");
    EXPECT_NE(at, std::string::npos) << name;
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
  }
  static Instant now() { return std::chrono::system_clock::now(); }

  // A new event each time, with something wrong where `spoil` says so.
  event::Event an_event(const std::function<void(event::Event&)>& spoil = {}) {
    event::Event made = measured(++sequence_, "fra", "192.0.2.0/24", now(), Micros(9'000));
    if (spoil) spoil(made);
    return made;
  }
  std::string line(const std::function<void(event::Event&)>& spoil = {}) {
    return event::to_json(an_event(spoil)) + "\n";
  }
  std::string delimited() {
    std::string batch;
    event::append_delimited(batch, an_event());
    return batch;
  }

  TemporaryFolder folder_;
  std::unique_ptr<Collector> collector_;
  std::uint64_t sequence_ = 0;
};

std::string rejected(std::string_view reason) {
  return "isochrone_collector_events_rejected_total{reason=\"" + std::string(reason) + "\"}";
}
std::string denied(std::string_view reason) {
  return "isochrone_http_denied_total{reason=\"" + std::string(reason) + "\"}";
}

// Of single events: alone they give the status, beside a good one they cost nobody else anything.
TEST_F(BadInput, OneBadEventCostsTheOthersNothing) {
  const std::string first = line();
  ASSERT_EQ(client("fra").post("/v1/channels/measurement/events", kNdjson, first, kTimeout)->status,
            200);
  json another = json::parse(first);
  another["rtt_us"] = 1;
  struct Row {
    const char* what;
    const char* kind;
    std::function<std::string()> bad;
    int status;
    const char* reason;
  };
  const auto measurement = [](event::Event& event) -> event::Measurement& {
    return std::get<event::Measurement>(event.payload);
  };
  const auto with = [this](const char* key, const json& value) {
    json object = json::parse(line());
    object[key] = value;
    return object.dump() + "\n";
  };
  const Row rows[] = {
      {"no JSON", kNdjson, [] { return "{\n"; }, 400, "malformed"},
      {"nothing but brackets", kNdjson, [] { return std::string(30'000, '[') + "\n"; }, 400,
       "malformed"},
      {"no UTF-8", kNdjson, [] { return "{\"site\":\"\xff\"}\n"; }, 400, "malformed"},
      {"an unknown field", kNdjson, [&] { return with("color", "red"); }, 400, "malformed"},
      {"a number out of range", kNdjson, [&] { return with("rtt_us", 1e12); }, 400, "malformed"},
      {"another channel's", kNdjson, [&] { return with("channel", "load"); }, 400, "malformed"},
      {"without an id", kNdjson, [&] { return with("id", nullptr); }, 400, "malformed"},
      {"longer than an event may be", kNdjson, [] { return std::string(40'000, 'x') + "\n"; }, 413,
       "oversized"},
      {"of a later schema", kNdjson, [&] { return with("schema", 99); }, 400, "schema"},
      {"of an unknown site", kNdjson,
       [&] { return line([&](auto& e) { measurement(e).site = "fro"; }); }, 403, "forbidden"},
      {"of another's site", kNdjson,
       [&] { return line([&](auto& e) { measurement(e).site = "iad"; }); }, 403, "forbidden"},
      {"of another's source", kNdjson,
       [&] { return line([](auto& e) { e.id.source = "prober-iad"; }); }, 403, "forbidden"},
      {"of tomorrow", kNdjson, [&] { return line([](auto& e) { e.time += Seconds(86'400); }); },
       422, "content"},
      {"of last year", kNdjson,
       [&] { return line([](auto& e) { e.time -= Seconds(365 * 86'400); }); }, 422, "content"},
      {"what a policy blocks", kNdjson,
       [&] { return line([&](auto& e) { measurement(e).rtt = Micros(31'000'000); }); }, 403,
       "policy"},
      {"with the id of another", kNdjson, [&] { return another.dump() + "\n"; }, 409, "id-reused"},
      {"cut short", kProtobuf,
       [&] {
         const std::string whole = delimited();
         return whole.substr(0, whole.size() - 5);
       },
       400, "truncated"},
      {"a size that never ends", kProtobuf, [] { return "\xff\xff\xff\xff\xff"; }, 400,
       "truncated"},
      {"no message", kProtobuf, [] { return std::string("\x05") + "\xff\xff\xff\xff\xff"; }, 400,
       "malformed"},
  };
  for (const Row& row : rows) {
    const auto post = [&](const std::string& body) {
      return client("fra").post("/v1/channels/measurement/events", row.kind, body, kTimeout);
    };
    const double before = counter(rejected(row.reason));
    const auto alone = post(row.bad());
    ASSERT_TRUE(alone) << row.what;
    EXPECT_EQ(alone->status, row.status) << row.what << ": " << alone->body;
    const json reply = json::parse(alone->body, nullptr, false);
    ASSERT_TRUE(reply.is_object() && !reply["rejected"].empty()) << row.what << alone->body;
    EXPECT_EQ(reply["rejected"][0]["reason"], row.reason) << row.what;
    EXPECT_FALSE(reply["error"].get<std::string>().empty()) << row.what;
    EXPECT_EQ(counter(rejected(row.reason)), before + 1) << row.what;
    // The bad one last, since what is cut short takes with it what follows.
    const std::string good = row.kind == std::string_view(kProtobuf) ? delimited() : line();
    const auto beside = post(good + row.bad());
    ASSERT_TRUE(beside) << row.what;
    EXPECT_EQ(beside->status, 200) << row.what << ": " << beside->body;
    EXPECT_EQ(json::parse(beside->body)["accepted"], 1) << row.what << ": " << beside->body;
    EXPECT_EQ(counter(rejected(row.reason)), before + 2) << row.what;
  }
}

// Of whole requests.
TEST_F(BadInput, ARequestThatIsRefusedSaysWhy) {
  struct Row {
    const char* what;
    const char* token;
    const char* path;
    // The client puts what it is given after "Content-Type: ", so more headers can follow.
    std::string kind;
    std::string body;
    int status;
    const char* error;
    std::string counter;
  };
  const std::string events = "/v1/channels/measurement/events";
  const std::string refused = "isochrone_collector_bodies_refused_total";
  const std::string bomb = "\x1f\x8b\x08" + std::string(1'000, '\0');
  const std::string coded = std::string(kNdjson) + "\r\nContent-Encoding: ";
  const std::string class_4xx = "isochrone_http_responses_total{class=\"4xx\"}";
  const Row rows[] = {
      {"gzip", "fra", events.c_str(), coded + "gzip", bomb, 415, "coded as gzip", refused},
      {"deflate", "fra", events.c_str(), coded + "deflate", bomb, 415, "coded as deflate", refused},
      {"twice", "fra", events.c_str(), coded + "gzip, gzip", bomb, 415, "coded as gzip", refused},
      {"empty", "fra", events.c_str(), kNdjson, "\n\n", 400, "the body has no events", refused},
      {"empty Protobuf", "fra", events.c_str(), kProtobuf, "", 400, "the body has no events",
       refused},
      {"a large body", "fra", events.c_str(), kNdjson, std::string(kMaxBody + 1, 'x'), 413,
       "the body is too large", "isochrone_http_refused_total{reason=\"body_size\"}"},
      {"no token", "", events.c_str(), kNdjson, line(), 401, "this needs a token",
       denied("no-token")},
      {"a wrong token", "fr", events.c_str(), kNdjson, line(), 401, "is not known here",
       denied("unknown-token")},
      {"another's channel", "fra", "/v1/channels/demand/events", kNdjson, "{}", 403,
       "token fra may not post to demand", denied("role")},
      {"the collector's own", "noc", "/v1/channels/state/events", kNdjson, "{}", 403,
       "state events are the collector's own", class_4xx},
      {"no such channel", "noc", "/v1/channels/weather/events", kNdjson, "{}", 404,
       "no channel \"weather\"", class_4xx},
      {"no such path", "noc", "/v1/status", kNdjson, "{}", 405, "POST is only for", class_4xx},
      {"a bad target", "noc", "/v1/%zz", kNdjson, "{}", 400,
       "the request target is not well-formed", "isochrone_http_refused_total{reason=\"target\"}"},
  };
  for (const Row& row : rows) {
    const double before = counter(row.counter);
    const auto reply = client(row.token).post(row.path, row.kind, row.body, kTimeout);
    ASSERT_TRUE(reply) << row.what << ": " << reply.error().text();
    EXPECT_EQ(reply->status, row.status) << row.what << ": " << reply->body;
    const json body = json::parse(reply->body, nullptr, false);
    ASSERT_TRUE(body.is_object()) << row.what << ": " << reply->body;
    EXPECT_NE(body["error"].get<std::string>().find(row.error), std::string::npos)
        << row.what << ": " << reply->body;
    EXPECT_EQ(counter(row.counter), before + 1) << row.what;
  }
  // And none of it is there.
  EXPECT_EQ(json::parse(client("noc").get("/v1/status", kTimeout)->body)["events"]["accepted"], 0);
}

TEST_F(BadInput, AQuestionThatIsRefusedSaysWhy) {
  struct Row {
    const char* query;
    int status;
    const char* error;
  };
  const Row rows[] = {
      {"after=-1", 400, "after=-1 is not a whole number"},
      {"after=prober-fra/1/99", 404, "is no event that is kept in measurement"},
      {"limit=many", 400, "limit=many is not a whole number"},
      {"wait=long", 400, "wait=long is no duration"},
      {"from=noon", 400, "from=noon is no time like 2024-05-01T12:00:00Z"},
      {"since=1m&from=2024-05-01T12:00:00Z", 400, "give one of them"},
      {"from=2024-05-02T00:00:00Z&to=2024-05-01T00:00:00Z", 400, "to lies before"},
      {"prefix=192.0.2.1/24", 400, "is no prefix like"},
      {"filter=siet%3D%3D%22fra%22", 400, "filter: column 1: \"siet\" is no field"},
  };
  for (const Row& row : rows) {
    const auto reply =
        client("noc").get(std::string("/v1/channels/measurement/events?") + row.query, kTimeout);
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->status, row.status) << row.query << ": " << reply->body;
    EXPECT_NE(json::parse(reply->body)["error"].get<std::string>().find(row.error),
              std::string::npos)
        << reply->body;
  }
}

}  // namespace
}  // namespace isochrone::collector
