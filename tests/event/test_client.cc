// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <utility>

#include "base/bell.h"
#include "base/guarded.h"
#include "base/http_server.h"
#include "event/backoff.h"
#include "event/client.h"
#include "event/codec.h"
#include "tests/event/vocabulary.h"

namespace isochrone::event {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Long enough that reaching it means a hang, on the slowest machine under a sanitizer.
constexpr Millis kPatience{20'000};

// Stands for a collector across the network: it gives the answers a test scripts, in order, and
// then keeps giving the last one; what it was asked it keeps.
class Collector {
 public:
  using Answer = std::function<HttpResponse(const HttpRequest&)>;

  explicit Collector(std::deque<Answer> script) : script_(std::move(script)) {
    server_ = HttpServer::start(Endpoint::parse("127.0.0.1@0").value(), {},
                                [this](const HttpRequest& request) { return answer(request); })
                  .value();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }

  // The requests so far, once there are `count` of them.
  std::vector<HttpRequest> requests(std::size_t count) {
    while (true) {
      auto seen = requests_.with([](const auto& requests) { return requests; });
      if (seen.size() >= count) return seen;
      if (!asked_.wait(kPatience)) {
        ADD_FAILURE() << "only " << seen.size() << " of " << count << " requests came";
        seen.resize(count);
        return seen;
      }
    }
  }

 private:
  HttpResponse answer(const HttpRequest& request) {
    const std::size_t before = requests_.with([&](auto& requests) {
      requests.push_back(request);
      return requests.size() - 1;
    });
    asked_.ring();
    return script_[std::min(before, script_.size() - 1)](request);
  }

  const std::deque<Answer> script_;
  Guarded<std::vector<HttpRequest>> requests_;
  Bell asked_;
  std::unique_ptr<HttpServer> server_;
};

Collector::Answer with_status(int status) {
  return [status](const HttpRequest&) { return http_error(status, "scripted"); };
}

std::vector<Event> events_in(const HttpRequest& request) {
  std::vector<Event> events;
  Bytes rest(reinterpret_cast<const std::uint8_t*>(request.body.data()), request.body.size());
  while (!rest.empty()) events.push_back(from_protobuf(next_delimited(rest).value()).value());
  return events;
}

HttpResponse accept_all(const HttpRequest&) {
  HttpResponse response;
  response.body = R"({"accepted":1,"duplicates":0,"rejected":[]})";
  return response;
}

// Waits for the poster's own account to say so; the requests alone do not tell what it made of
// them.
template <class Holds>
bool eventually(const Poster& poster, Holds holds) {
  Bell never;
  for (Millis waited{0}; waited < kPatience; waited += Millis(1)) {
    if (holds(poster.stats())) return true;
    never.wait(Millis(1));
  }
  return false;
}

const Instant kNoon = instant_of("2024-05-01T12:00:00Z");

TEST(Poster, PostsWhatItIsGivenWithCountedIds) {
  Collector collector({&accept_all});
  Poster poster(collector.url(), "prober-fra", 5);
  poster.post(a_measurement().payload, kNoon, "round-1");
  poster.post(a_lost_measurement().payload, kNoon + Seconds(1));
  ASSERT_TRUE(eventually(poster, [](const auto& stats) { return stats.acknowledged == 2; }));

  std::vector<Event> events;
  for (const HttpRequest& request : collector.requests(1)) {
    EXPECT_EQ(request.path, "/v1/channels/measurement/events");
    EXPECT_EQ(request.headers.at("content-type"), "application/x-protobuf");
    for (Event& event : events_in(request)) events.push_back(std::move(event));
  }
  EXPECT_THAT(
      events,
      ElementsAre(
          Event{{"prober-fra", 5, 1}, kNoon, "round-1", a_measurement().payload},
          Event{{"prober-fra", 5, 2}, kNoon + Seconds(1), "", a_lost_measurement().payload}));
}

TEST(Poster, EveryChannelGetsItsOwnInOrder) {
  Collector collector({&accept_all});
  {
    Poster poster(collector.url(), "dns-ns1", 5);
    for (int i = 0; i < 3; ++i) {
      for (const Event& event : one_of_each()) poster.post(event.payload, kNoon);
    }
  }  // stopping delivers what waits
  std::map<std::string, std::vector<std::uint64_t>> sequences;
  std::size_t count = 0;
  for (const HttpRequest& request : collector.requests(1)) {
    for (const Event& event : events_in(request)) {
      EXPECT_EQ(request.path,
                "/v1/channels/" + std::string(to_string(event.channel())) + "/events");
      sequences[request.path].push_back(event.id.sequence);
      ++count;
    }
  }
  EXPECT_EQ(count, 3 * one_of_each().size());
  EXPECT_EQ(sequences.size(), kChannels);
  for (const auto& [path, order] : sequences) {
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end())) << path;
  }
}

TEST(Poster, RepeatsTheSameBytesUntilTheyAreTaken) {
  Collector collector({with_status(503), with_status(429), with_status(500), &accept_all});
  Poster poster(collector.url(), "prober-fra", 5);
  poster.post(a_measurement().payload, kNoon);
  ASSERT_TRUE(eventually(poster, [](const auto& stats) { return stats.acknowledged == 1; }));
  const auto requests = collector.requests(4);
  EXPECT_EQ(requests.size(), 4U);
  for (const HttpRequest& request : requests) EXPECT_EQ(request.body, requests[0].body);
  EXPECT_EQ(poster.stats().failures, 3U);
}

TEST(Poster, DoesNotRepeatWhatWillNeverBeTaken) {
  Collector collector({with_status(400), &accept_all});
  Poster poster(collector.url(), "prober-fra", 5);
  poster.post(a_measurement().payload, kNoon);
  ASSERT_TRUE(eventually(poster, [](const auto& stats) { return stats.rejected == 1; }));
  poster.post(a_lost_measurement().payload, kNoon);
  ASSERT_TRUE(eventually(poster, [](const auto& stats) { return stats.acknowledged == 1; }));
  EXPECT_EQ(events_in(collector.requests(2)[1])[0].payload, a_lost_measurement().payload);
  EXPECT_EQ(poster.stats().failures, 0U);
}

TEST(Poster, RepeatsWhatItsTokenWasRefusedForAndNotWhatIsNotItsToPost) {
  const auto forbid_all = [](const HttpRequest&) {
    HttpResponse response = http_error(403, "scripted");
    response.body = R"({"accepted":0,"duplicates":0,"rejected":[{"index":0,"error":"no"}]})";
    return response;
  };
  Collector collector({with_status(401), with_status(403), forbid_all, &accept_all});
  Poster poster(collector.url(), "prober-fra", 5);
  poster.post(a_measurement().payload, kNoon);
  ASSERT_TRUE(eventually(poster, [](const auto& stats) { return stats.rejected == 1; }));
  EXPECT_EQ(poster.stats().failures, 2U);
  poster.post(a_measurement().payload, kNoon);
  EXPECT_TRUE(eventually(poster, [](const auto& stats) { return stats.acknowledged == 1; }));
}

TEST(Poster, CountsTheEventsThatWereRejectedSingly) {
  Collector collector({[](const HttpRequest&) {
    HttpResponse response;
    response.body = R"({"accepted":0,"duplicates":0,"rejected":[{"index":0,"error":"no"}]})";
    return response;
  }});
  Poster poster(collector.url(), "prober-fra", 5);
  poster.post(a_measurement().payload, kNoon);
  EXPECT_TRUE(eventually(poster, [](const auto& stats) { return stats.rejected == 1; }));
  EXPECT_EQ(poster.stats().acknowledged, 0U);
}

TEST(Poster, SplitsManyEventsIntoBatches) {
  Collector collector({&accept_all});
  Poster poster(collector.url(), "prober-fra", 5);
  for (int i = 0; i < 2'500; ++i) poster.post(a_measurement().payload, kNoon);
  ASSERT_TRUE(eventually(poster, [](const auto& stats) { return stats.acknowledged == 2'500; }));
  std::uint64_t expected = 0;
  for (const HttpRequest& request : collector.requests(3)) {
    const auto events = events_in(request);
    EXPECT_LE(events.size(), 1'000U);
    for (const Event& event : events) EXPECT_EQ(event.id.sequence, ++expected);
  }
  EXPECT_EQ(expected, 2'500U);
}

TEST(Poster, DropsTheOldestWhenItsBufferIsFullAndLeavesNoGap) {
  // The collector holds the first request until the buffer has overflown.
  Guarded<std::shared_ptr<HttpReplyLater>> held;
  Bell is_held;
  Collector collector({[&](const HttpRequest&) {
                         HttpResponse response;
                         response.later = [&](std::shared_ptr<HttpReplyLater> owed) {
                           held.with([&](auto& kept) { kept = std::move(owed); });
                           is_held.ring();
                         };
                         return response;
                       },
                       &accept_all});
  Poster poster(collector.url(), "prober-fra", 5);
  poster.post(Load{"first", 1, 1}, kNoon);
  ASSERT_TRUE(is_held.wait(kPatience));
  constexpr std::uint64_t kExtra = 10;
  for (std::uint64_t i = 0; i < kMaxBufferedEvents + kExtra; ++i) {
    poster.post(Load{"fra", i, 1}, kNoon);
  }
  EXPECT_EQ(poster.stats().dropped, kExtra);
  held.with([](auto& kept) { kept->reply(accept_all({})); });
  const Event next = events_in(collector.requests(2)[1])[0];
  EXPECT_EQ(next.id.sequence, 2U);
  EXPECT_EQ(std::get<Load>(next.payload).offered, kExtra);
}

TEST(Poster, GivesUpInTimeWhenNobodyListens) {
  std::string url;
  {
    const Collector gone({&accept_all});
    url = gone.url();
  }
  Poster poster(url, "prober-fra", 5);
  poster.post(a_measurement().payload, kNoon);
  EXPECT_TRUE(eventually(poster, [](const auto& stats) { return stats.failures >= 1; }));
}  // the destructor returns: a hang here is the failure

// A page of a log as the collector gives it.
Collector::Answer page(std::string log_id, Position position, std::vector<StoredEvent> events) {
  return [=](const HttpRequest&) {
    HttpResponse response;
    response.content_type = "application/x-protobuf";
    for (const StoredEvent& event : events) append_delimited(response.body, event);
    response.headers = {{"X-Isochrone-Log", log_id},
                        {"X-Isochrone-Position", std::to_string(position)}};
    return response;
  };
}

// Long polls from here on: never answered, so that the script stands still.
HttpResponse hold(const HttpRequest&) {
  static Guarded<std::vector<std::shared_ptr<HttpReplyLater>>> held;
  HttpResponse response;
  response.later = [](std::shared_ptr<HttpReplyLater> owed) {
    held.with([&](auto& kept) { kept.push_back(std::move(owed)); });
  };
  return response;
}

// What a follower told, kept for the test's thread.
class Told {
 public:
  void operator()(Follower::Batch batch) {
    batches_.with([&](auto& batches) { batches.push_back(std::move(batch)); });
    bell_.ring();
  }
  void connected(bool is_connected) {
    connections_.with([&](auto& connections) { connections.push_back(is_connected); });
    bell_.ring();
  }
  std::vector<Follower::Batch> batches(std::size_t count) {
    return wait_for<Follower::Batch>(batches_, count);
  }
  std::vector<bool> connections(std::size_t count) { return wait_for<bool>(connections_, count); }

 private:
  template <class T>
  std::vector<T> wait_for(Guarded<std::vector<T>>& told, std::size_t count) {
    while (true) {
      auto now = told.with([](const auto& kept) { return kept; });
      if (now.size() >= count) return now;
      if (!bell_.wait(kPatience)) {
        ADD_FAILURE() << "only " << now.size() << " of " << count << " came";
        now.resize(count);
        return now;
      }
    }
  }

  Guarded<std::vector<Follower::Batch>> batches_;
  Guarded<std::vector<bool>> connections_;
  Bell bell_;
};

StoredEvent load_at(Position position) {
  Event event = a_load();
  event.id.sequence = position;
  return {position, std::move(event)};
}

TEST(Follower, ReadsAChannelAndResumesWhereItIs) {
  Collector collector(
      {page("log-a", 7, {load_at(6), load_at(7)}), page("log-a", 8, {load_at(8)}), &hold});
  Told told;
  Follower follower(collector.url(), Channel::load, "log-a", 5, std::ref(told));
  const auto batches = told.batches(2);
  EXPECT_THAT(batches[0].events, ElementsAre(load_at(6), load_at(7)));
  EXPECT_EQ(batches[0].log_id, "log-a");
  EXPECT_EQ(batches[0].position, 7U);
  EXPECT_TRUE(batches[0].caught_up);
  EXPECT_THAT(batches[1].events, ElementsAre(load_at(8)));

  const auto requests = collector.requests(3);
  EXPECT_EQ(requests[0].path, "/v1/channels/load/events");
  EXPECT_EQ(requests[0].headers.at("accept"), "application/x-protobuf");
  EXPECT_EQ(requests[0].query.at("after"), "5");
  EXPECT_EQ(requests[0].query.at("wait"), "0s");  // whether it is caught up is news by itself
  EXPECT_EQ(requests[1].query.at("after"), "7");
  EXPECT_EQ(requests[1].query.at("wait"), "30s");
  EXPECT_EQ(requests[2].query.at("after"), "8");
}

TEST(Follower, AFullPageIsNotCaughtUp) {
  std::vector<StoredEvent> events;
  for (Position position = 1; position <= 1'000; ++position) events.push_back(load_at(position));
  Collector collector({page("log-a", 1'000, events), page("log-a", 1'000, {}), &hold});
  Told told;
  Follower follower(collector.url(), Channel::load, "", 0, std::ref(told));
  const auto batches = told.batches(2);
  EXPECT_EQ(batches[0].events.size(), 1'000U);
  EXPECT_FALSE(batches[0].caught_up);
  EXPECT_TRUE(batches[1].caught_up);
}

TEST(Follower, AnotherLogIsReadFromItsBeginning) {
  Collector collector({page("log-b", 9, {load_at(9)}), page("log-b", 1, {load_at(1)}), &hold});
  Told told;
  Follower follower(collector.url(), Channel::load, "log-a", 5, std::ref(told));
  const auto batches = told.batches(1);
  EXPECT_EQ(batches[0].log_id, "log-b");
  EXPECT_THAT(batches[0].events, ElementsAre(load_at(1)));
  EXPECT_EQ(collector.requests(2)[1].query.at("after"), "0");
}

TEST(Follower, ALogThatLostItsEndIsReadFromItsBeginning) {
  Collector collector({page("log-a", 3, {}), page("log-a", 3, {load_at(3)}), &hold});
  Told told;
  Follower follower(collector.url(), Channel::load, "log-a", 5, std::ref(told));
  EXPECT_THAT(told.batches(1)[0].events, ElementsAre(load_at(3)));
  EXPECT_EQ(collector.requests(2)[1].query.at("after"), "0");
}

HttpAccess one_after_the_other(const Collector& first, const Collector& second) {
  HttpAccess access(first.url());
  access.others = {second.url()};
  return access;
}

TEST(Poster, TurnsToAnotherCollectorWithWhatWasNotAcknowledged) {
  Collector first({with_status(503)});
  Collector second({&accept_all});
  Poster poster(one_after_the_other(first, second), "prober-fra", 5);
  poster.post(a_measurement().payload, kNoon);
  ASSERT_TRUE(eventually(poster, [](const auto& stats) { return stats.acknowledged == 1; }));
  EXPECT_EQ(events_in(second.requests(1)[0]), events_in(first.requests(1)[0]));
}

TEST(Follower, GoesOnAtAnotherCollectorWhereItWas) {
  Collector first({page("log-a", 1, {load_at(1)}), with_status(503)});
  Collector second({page("log-a", 2, {load_at(2)}), &hold});
  Told told;
  Follower follower(one_after_the_other(first, second), Channel::load, "", 0, std::ref(told));
  EXPECT_THAT(told.batches(2)[1].events, ElementsAre(load_at(2)));
  EXPECT_EQ(second.requests(1)[0].query.at("after"), "1");
}

TEST(Follower, LeavesACollectorThatIsBehindAnother) {
  Collector first({page("log-a", 1, {load_at(1)}), &hold});
  Collector second({page("log-a", 4, {load_at(4)}), &hold});
  Told told;
  Follower follower(one_after_the_other(first, second), Channel::load, "log-a", 3, std::ref(told));
  EXPECT_THAT(told.batches(1)[0].events, ElementsAre(load_at(4)));
  EXPECT_EQ(second.requests(1)[0].query.at("after"), "3");
}

TEST(Follower, TellsWhenTheCollectorStopsAndStartsAnswering) {
  Collector collector({page("log-a", 1, {load_at(1)}), with_status(503), with_status(502),
                       page("log-a", 2, {load_at(2)}), &hold});
  Told told;
  Follower follower(collector.url(), Channel::load, "", 0, std::ref(told),
                    [&](bool is_connected) { told.connected(is_connected); });
  EXPECT_THAT(told.connections(3), ElementsAre(true, false, true));
  EXPECT_THAT(told.batches(2)[1].events, ElementsAre(load_at(2)));
  // After an outage the first poll does not wait.
  EXPECT_EQ(collector.requests(5)[3].query.at("wait"), "0s");
  EXPECT_EQ(collector.requests(5)[4].query.at("wait"), "30s");
}

TEST(Follower, WhatIsNoPageOfALogIsAnOutage) {
  const auto garbage = [](const HttpRequest& request) {
    HttpResponse response = page("log-a", 1, {})(request);
    response.body =
        "\x05"
        "abc";
    return response;
  };
  const auto headless = [](const HttpRequest&) { return HttpResponse(); };
  Collector collector({garbage, headless, page("log-a", 1, {load_at(1)}), &hold});
  Told told;
  Follower follower(collector.url(), Channel::load, "", 0, std::ref(told),
                    [&](bool is_connected) { told.connected(is_connected); });
  EXPECT_THAT(told.connections(2), ElementsAre(false, true));
  EXPECT_THAT(told.batches(1)[0].events, ElementsAre(load_at(1)));
}

TEST(Follower, AnEventItCannotReadIsSkipped) {
  const auto with_unreadable = [](const HttpRequest& request) {
    HttpResponse response = page("log-a", 2, {load_at(2)})(request);
    std::string unreadable;
    append_delimited(unreadable, 1, {});
    response.body = unreadable + response.body;
    return response;
  };
  Collector collector({with_unreadable, &hold});
  Told told;
  Follower follower(collector.url(), Channel::load, "", 0, std::ref(told));
  const auto batches = told.batches(1);
  EXPECT_THAT(batches[0].events, ElementsAre(load_at(2)));
  EXPECT_EQ(batches[0].position, 2U);
}

TEST(Follower, ItsDestructorEndsALongPoll) {
  Collector collector({page("log-a", 0, {}), &hold});
  Told told;
  {
    Follower follower(collector.url(), Channel::load, "", 0, std::ref(told));
    collector.requests(2);  // the long poll has been asked for
  }
  EXPECT_EQ(told.batches(1).size(), 1U);
}

TEST(Backoff, DoublesToItsBoundAndStaysInItsUpperHalf) {
  Backoff backoff(Millis(100), Millis(1'000), 1);
  for (const int bound : {100, 200, 400, 800, 1'000, 1'000}) {
    const Millis pause = backoff.next();
    EXPECT_GE(pause.count(), bound / 2);
    EXPECT_LE(pause.count(), bound);
  }
  backoff.reset();
  EXPECT_LE(backoff.next(), Millis(100));
}

}  // namespace
}  // namespace isochrone::event
