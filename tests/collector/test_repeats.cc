// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <optional>

#include "collector/repeats.h"

namespace isochrone::collector {
namespace {

// A client that keeps what it is answered.
class Client final : public HttpReplyLater {
 public:
  bool reply(HttpResponse response) override {
    answer = std::move(response);
    return true;
  }
  bool is_open() const override { return true; }
  std::string repeated() const {
    const auto found = answer->headers.find("X-Isochrone-Repeated");
    return found == answer->headers.end() ? "" : found->second;
  }
  std::optional<HttpResponse> answer;
};

HttpRequest a_post(std::string body) {
  HttpRequest request;
  request.method = "POST";
  request.path = "/v1/channels/measurement/events";
  request.body = std::move(body);
  return request;
}

HttpResponse with(int status, std::string body = "taken") {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

Monotonic at(Seconds time) { return Monotonic(Seconds(1'000) + time); }

class RepeatsTest : public ::testing::Test {
 protected:
  // The client that asks, and whether it is carried out.
  struct Asked {
    std::shared_ptr<Client> client = std::make_shared<Client>();
    std::shared_ptr<HttpReplyLater> first;
  };
  Asked ask(const std::string& body, Seconds when, std::string_view caller = "fra") {
    Asked asked;
    asked.first = repeats_->begin(repeats_->key_of(a_post(body), caller), asked.client, at(when));
    return asked;
  }
  std::shared_ptr<Repeats> repeats_ = std::make_shared<Repeats>(Seconds(10));
};

TEST_F(RepeatsTest, AnswersTheSameAgainWithoutCarryingItOut) {
  const Asked first = ask("a", Seconds(0));
  ASSERT_TRUE(first.first);
  first.first->reply(with(200));
  EXPECT_EQ(first.client->repeated(), "");
  const Asked again = ask("a", Seconds(9));
  EXPECT_FALSE(again.first);
  EXPECT_EQ(again.client->answer->body, "taken");
  EXPECT_EQ(again.client->repeated(), "9s");
  EXPECT_TRUE(ask("a", Seconds(10)).first) << "the window is over";
  EXPECT_EQ(repeats_->answered(), 1U);
}

TEST_F(RepeatsTest, AnswersThoseThatComeMeanwhileWithTheFirst) {
  const Asked first = ask("a", Seconds(0));
  const Asked second = ask("a", Seconds(1));
  EXPECT_FALSE(second.first);
  EXPECT_FALSE(second.client->answer);
  first.first->reply(with(200));
  EXPECT_EQ(second.client->repeated(), "0s");
}

TEST_F(RepeatsTest, TellsCallersBodiesAndKindsApart) {
  ask("a", Seconds(0)).first->reply(with(200));
  EXPECT_TRUE(ask("b", Seconds(0)).first);
  EXPECT_TRUE(ask("a", Seconds(0), "iad").first);
  HttpRequest other = a_post("a");
  other.headers["content-type"] = "application/x-protobuf";
  EXPECT_NE(repeats_->key_of(other, "fra"), repeats_->key_of(a_post("a"), "fra"));
  other = a_post("a");
  other.headers["idempotency-key"] = "2";
  EXPECT_NE(repeats_->key_of(other, "fra"), repeats_->key_of(a_post("a"), "fra"));
  other = a_post("a");
  other.path = "/v1/channels/health/events";
  EXPECT_NE(repeats_->key_of(other, "fra"), repeats_->key_of(a_post("a"), "fra"));
}

TEST_F(RepeatsTest, CarriesOutAgainWhatMayGoWellNow) {
  for (const int status : {503, 500, 429, 403, 401}) {
    ask("a", Seconds(0)).first->reply(with(status));
    EXPECT_TRUE(ask("a", Seconds(0)).first) << status;
  }
  ask("a", Seconds(0)).first.reset();  // given up without an answer
  ask("a", Seconds(0)).first->reply(with(422));
  EXPECT_FALSE(ask("a", Seconds(1)).first) << "what is wrong with it stays wrong";
}

TEST_F(RepeatsTest, KeepsABoundedNumberOfAnswers) {
  ask("large", Seconds(0)).first->reply(with(200, std::string(kMaxRepeatBody + 1, 'x')));
  EXPECT_TRUE(ask("large", Seconds(0)).first);
  const std::string body(kMaxRepeatBody, 'x');
  const std::size_t fit = kMaxRepeatBytes / kMaxRepeatBody;
  for (std::size_t i = 0; i <= fit; ++i) {
    ask(std::to_string(i), Seconds(0)).first->reply(with(200, body));
  }
  EXPECT_TRUE(ask("0", Seconds(1)).first) << "the oldest is forgotten";
  EXPECT_FALSE(ask(std::to_string(fit), Seconds(1)).first);
}

TEST_F(RepeatsTest, WithoutAWindowEverythingIsCarriedOut) {
  repeats_->set_window(Nanos(0));
  ask("a", Seconds(0)).first->reply(with(200));
  EXPECT_TRUE(ask("a", Seconds(0)).first);
}

}  // namespace
}  // namespace isochrone::collector
