// SPDX-License-Identifier: Apache-2.0
//
// Who may do what: roles against channels, tokens against events, requests at the gate.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "event/gate.h"
#include "tests/event/vocabulary.h"

namespace isochrone::event {
namespace {

using ::testing::HasSubstr;

Token token(std::string name, std::vector<Role> roles, std::vector<std::string> sites = {}) {
  return {name, sha256("secret of " + name), std::move(roles), std::move(sites), {}, false};
}

HttpRequest request(std::string authorization, bool is_certified = false) {
  HttpRequest made;
  if (!authorization.empty()) made.headers["authorization"] = std::move(authorization);
  made.is_certified = is_certified;
  return made;
}

Event event_of(std::string source, Payload payload) {
  return {{std::move(source), 1, 1}, Instant{}, {}, std::move(payload)};
}

TEST(Access, GivesEachRoleItsChannels) {
  struct Row {
    Role role;
    std::string_view reads;  // initials of channels, in their order: m d h l s t d(x)
    std::string_view posts;
    bool queries;
  };
  // measurement, demand, health, load, state, target, decision
  const Row rows[] = {
      {Role::prober, ".....t.", "m.hl...", false},
      {Role::dns, "..h.s..", ".d....x", false},
      {Role::read, "mdhlstx", ".......", true},
      {Role::operate, "mdhlstx", "mdhlstx", true},
  };
  for (const Row& row : rows) {
    const Token one = token("one", {row.role}, {"fra"});
    EXPECT_EQ(may_query(one), row.queries);
    for (std::size_t i = 0; i < kChannels; ++i) {
      const auto channel = static_cast<Channel>(i);
      EXPECT_EQ(may_read(one, channel), row.reads[i] != '.') << to_string(channel);
      EXPECT_EQ(may_post(one, channel), row.posts[i] != '.') << to_string(channel);
    }
  }
}

TEST(Access, HoldsAProberToItsSitesAndItsOwnIds) {
  const Token fra = token("prober-fra", {Role::prober}, {"fra"});
  const Measurement here{"fra", *Prefix::parse("192.0.2.0/24"), routing::Method::icmp, Micros(1)};
  Measurement elsewhere = here;
  elsewhere.site = "iad";
  Health beat{"fra", HealthStatus::up, HealthOrigin::prober, ""};
  Health word = beat;
  word.origin = HealthOrigin::operators;
  struct Row {
    Event event;
    std::string_view objection;  // empty: none
  };
  const Row rows[] = {
      {event_of("prober-fra", here), ""},
      {event_of("prober-fra", elsewhere), "not for site \"iad\""},
      {event_of("prober-iad", here), "not for events of source \"prober-iad\""},
      {event_of("fra", here), "not for events of source \"fra\""},
      {event_of("prober-fra", beat), ""},
      {event_of("prober-fra", word), "not an operator's word"},
      {event_of("prober-fra", Load{"fra", 1, 2}), ""},
      {event_of("prober-fra", Load{"sin", 1, 2}), "not for site \"sin\""},
  };
  for (const Row& row : rows) {
    EXPECT_THAT(objection(fra, row.event).value_or(""), HasSubstr(row.objection));
    EXPECT_EQ(objection(fra, row.event).has_value(), !row.objection.empty());
  }
  Token named = fra;
  named.sources = {"edge-7"};
  EXPECT_FALSE(objection(named, event_of("edge-7", here)));
  EXPECT_TRUE(objection(named, event_of("prober-fra", here)));
  EXPECT_FALSE(objection(token("noc", {Role::operate}), event_of("any", word)));
}

TEST(Gate, LetsInWhoHasAToken) {
  Gate gate({{token("prober-fra", {Role::prober}, {"fra"}), token("noc", {Role::operate})}, false});
  const auto caller = gate.admit(request("bearer  secret of noc "));
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->name(), "noc");
  struct Row {
    const char* authorization;
    const char* challenge;
  };
  for (const Row& row :
       {Row{"", "Bearer"}, Row{"Basic c2VjcmV0", "Bearer"}, Row{"Bearer ", "Bearer"},
        Row{"Bearer secret of", "Bearer error=\"invalid_token\""}}) {
    const auto refused = gate.admit(request(row.authorization));
    ASSERT_FALSE(refused) << row.authorization;
    EXPECT_EQ(refused.error().status, 401);
    EXPECT_EQ(refused.error().headers.at("WWW-Authenticate"), row.challenge) << row.authorization;
    EXPECT_THAT(refused.error().body, HasSubstr("\"error\""));
  }
  EXPECT_EQ(gate.forbid(*caller, "read state").status, 403);
  Metrics metrics;
  gate.measure(metrics);
  for (const char* line : {"{reason=\"no-token\"} 3", "{reason=\"unknown-token\"} 1",
                           "{reason=\"role\"} 1", "{reason=\"certificate\"} 0"}) {
    EXPECT_THAT(metrics.text(), HasSubstr(std::string("isochrone_http_denied_total") + line));
  }
}

TEST(Gate, LetsEverybodyInWithoutTokens) {
  Gate gate{Access{}};
  const auto caller = gate.admit(request(""));
  ASSERT_TRUE(caller);
  EXPECT_TRUE(caller->may_query() && caller->may_post(Channel::measurement));
  gate.replace({{token("noc", {Role::operate})}, false});
  EXPECT_FALSE(gate.admit(request("")));
  EXPECT_TRUE(caller->may_query()) << "who was let in before";
}

TEST(Gate, WantsACertificateBesidesTheToken) {
  Token own = token("own", {Role::operate});
  own.is_own = true;
  Gate gate({{token("noc", {Role::operate}), own}, true});
  const auto refused = gate.admit(request("Bearer secret of noc"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 403);
  EXPECT_TRUE(gate.admit(request("Bearer secret of noc", true)));
  EXPECT_TRUE(gate.admit(request("Bearer secret of own")));
  EXPECT_EQ(gate.admit(request("", true)).error().status, 401) << "a certificate alone is nobody";
}

}  // namespace
}  // namespace isochrone::event
