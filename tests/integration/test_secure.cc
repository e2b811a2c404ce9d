// SPDX-License-Identifier: Apache-2.0
//
// The program over TLS with tokens: its parts know each other, others are told why they may not, and
// certificates and tokens change without a restart.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "base/http_client.h"
#include "base/text.h"
#include "tests/integration/world.h"
#include "tests/support/authority.h"

namespace isochrone::test {
namespace {

constexpr Millis kTimeout{30'000};

class Secure : public ::testing::Test {
 protected:
  Secure() {
    ca_.issue("api");
    ca_.issue("node");
    for (const char* name : {"noc", "fra", "ns1"}) digests_[name] = digest(name);
  }

  // As `isochrone token` makes and prints it.
  std::string digest(const std::string& name) {
    const Finished made = isochrone({"token", world_.path(name + ".token")});
    EXPECT_EQ(made.status, 0) << made.err;
    return std::string(trim(made.out));  // "digest: HEX"
  }
  std::string access(std::string_view more = {}) const {
    return fmt::format(
        "access:\n  certificate: api.pem\n  key: api.key\n{}  tokens:\n"
        "    - {{name: noc, {}, roles: operate}}\n"
        "    - {{name: fra, {}, roles: prober, sites: fra}}\n"
        "    - {{name: ns1, {}, roles: dns}}\n",
        more, digests_.at("noc"), digests_.at("fra"), digests_.at("ns1"));
  }
  HttpAccess as(const Daemon& daemon, const std::string& name) const {
    HttpAccess made("https://127.0.0.1:" + std::to_string(daemon.endpoint("collector").port));
    made.authorities = ca_.certificate();
    if (!name.empty()) made.token_file = world_.path(name + ".token");
    return made;
  }
  static int status_of(const HttpAccess& access, const std::string& path) {
    HttpClient client(access);
    const auto reply = client.get(path, kTimeout);
    return reply ? reply->status : 0;
  }

  World world_;
  Authority ca_{std::filesystem::path(world_.path("."))};
  std::map<std::string, std::string> digests_;
};

TEST_F(Secure, EachPartMayDoItsOwnAndNothingElse) {
  Daemon collector(world_.write("c.yaml", world_.collector_only() + access()));
  ASSERT_TRUE(collector.is_ready());
  const HttpAccess prober = as(collector, "fra");
  const std::string mine = measurement("fra", "192.0.2.0/24", 9'000, 1, "prober-fra");
  const std::string another = measurement("iad", "192.0.2.0/24", 1'000, 2, "prober-fra");
  const auto posted = post(prober, "measurement", mine + another);
  ASSERT_TRUE(posted);
  EXPECT_EQ(posted->status, 200);
  EXPECT_EQ(posted->body["accepted"], 1);
  EXPECT_EQ(posted->body["rejected"][0]["reason"], "forbidden");
  EXPECT_EQ(post(prober, "measurement", another)->status, 403);
  EXPECT_EQ(post(prober, "demand", "{}\n")->status, 403);
  EXPECT_EQ(status_of(prober, "/v1/status"), 403);
  EXPECT_EQ(status_of(prober, "/v1/channels/state/events"), 403);
  EXPECT_EQ(status_of(prober, "/v1/channels/target/events"), 200);
  EXPECT_EQ(status_of(as(collector, "ns1"), "/v1/channels/state/events"), 200);
  EXPECT_EQ(status_of(as(collector, ""), "/v1/status"), 401);
  EXPECT_EQ(status_of(as(collector, ""), "/healthz"), 200);
  HttpAccess guess = as(collector, "");
  guess.token = std::string(64, '0');
  EXPECT_EQ(status_of(guess, "/v1/status"), 401);
  EXPECT_EQ(status_of("http://127.0.0.1:" + std::to_string(collector.endpoint("collector").port),
                      "/healthz"),
            0)
      << "nothing is said without TLS";
  const HttpAccess noc = as(collector, "noc");
  EXPECT_EQ(get_json(noc, "/v1/status")["events"]["accepted"], 1);
  HttpClient client(noc);
  const std::string metrics = client.get("/metrics", kTimeout)->body;
  for (const char* line :
       {"{reason=\"role\"} 3", "{reason=\"no-token\"} 1", "{reason=\"unknown-token\"} 1"}) {
    EXPECT_NE(metrics.find(std::string("isochrone_http_denied_total") + line), std::string::npos)
        << line;
  }
}

TEST_F(Secure, PartsOfOneProcessNeedNoTokensOfTheirOwn) {
  Daemon node(world_.write("ns1.yaml", world_.all_in_one() + access("  client-ca: ca.pem\n")));
  ASSERT_TRUE(node.is_ready());
  HttpAccess noc = as(node, "noc");
  EXPECT_EQ(status_of(noc, "/v1/status"), 403) << "a certificate is missing";
  noc.certificate = world_.path("node.pem");
  noc.key = world_.path("node.key");
  EXPECT_EQ(status_of(noc, "/v1/status"), 200);
  ASSERT_TRUE(post(noc, "measurement",
                   measurement("sin", "198.51.100.0/24", 1'000, 1) +
                       measurement("fra", "198.51.100.0/24", 90'000, 2)));
  EXPECT_TRUE(
      eventually([&] { return answers(node.endpoint("dns"), "198.51.100.0/24", "192.0.2.3"); }));
  EXPECT_TRUE(eventually([&] { return !events_of(noc, "demand").empty(); }))
      << "and what it was asked comes back";
}

TEST_F(Secure, ADnsNodeFollowsOverTls) {
  Daemon collector(world_.write("c.yaml", world_.collector_only() + access()));
  ASSERT_TRUE(collector.is_ready());
  std::string text = world_.dns_only(as(collector, "").url);
  const std::string url = "url: '" + as(collector, "").url + "'";
  text.replace(text.find(url), url.size(), url + ", ca: ca.pem, token-file: ns1.token");
  Daemon dns(world_.write("ns1.yaml", text));
  ASSERT_TRUE(dns.is_ready());
  ASSERT_TRUE(post(as(collector, "noc"), "measurement",
                   measurement("iad", "198.51.100.0/24", 1'000, 1) +
                       measurement("fra", "198.51.100.0/24", 90'000, 2)));
  EXPECT_TRUE(
      eventually([&] { return answers(dns.endpoint("dns"), "198.51.100.0/24", "192.0.2.2"); }));
}

TEST_F(Secure, ASignalChangesCertificatesAndTokens) {
  const std::string file = world_.write("c.yaml", world_.collector_only() + access());
  Daemon collector(file);
  ASSERT_TRUE(collector.is_ready());
  HttpClient before(as(collector, "noc"));
  ASSERT_EQ(before.get("/v1/status", kTimeout)->status, 200);
  Authority next(std::filesystem::path(world_.path(".")), "next");
  next.issue("api");
  std::filesystem::remove(world_.path("noc.token"));
  digests_["noc"] = digest("noc");
  world_.write("c.yaml", world_.collector_only() + access());
  // Until it is told, it goes on as before.
  EXPECT_EQ(status_of(as(collector, "fra"), "/v1/channels/target/events"), 200);
  collector.signal(SIGHUP);
  ASSERT_TRUE(collector.hears("reloaded"));
  EXPECT_EQ(status_of(as(collector, "fra"), "/v1/channels/target/events"), 0);
  HttpAccess after = as(collector, "noc");
  after.authorities = next.certificate();
  EXPECT_EQ(status_of(after, "/v1/status"), 200);
  // An open connection goes on: the old token is refused, and then its file is read again.
  EXPECT_EQ(before.get("/v1/status", kTimeout)->status, 401);
  EXPECT_EQ(before.get("/v1/status", kTimeout)->status, 200);
  // A pair that does not belong together changes nothing.
  std::filesystem::copy_file(world_.path("node.key"), world_.path("api.key"),
                             std::filesystem::copy_options::overwrite_existing);
  collector.signal(SIGHUP);
  ASSERT_TRUE(collector.hears("reload refused"));
  EXPECT_EQ(status_of(after, "/v1/status"), 200);
}

TEST_F(Secure, TheCommandLineShowsItsToken) {
  Daemon collector(world_.write("c.yaml", world_.collector_only() + access()));
  ASSERT_TRUE(collector.is_ready());
  const std::string url = as(collector, "").url;
  const std::string token = world_.path("noc.token");
  const std::string ca = ca_.certificate().string();
  const Finished shown =
      isochrone({"show", "sites", "--collector", url, "--ca", ca, "--token-file", token});
  EXPECT_EQ(shown.status, 0) << shown.err;
  const Finished stranger = isochrone({"show", "sites", "--collector", url, "--ca", ca});
  EXPECT_EQ(stranger.status, 1);
  EXPECT_NE(stranger.err.find("says 401: this needs a token"), std::string::npos) << stranger.err;
  const Finished unsure = isochrone({"show", "sites", "--collector", url, "--token-file", token});
  EXPECT_NE(unsure.err.find("certificate"), std::string::npos) << unsure.err;
  // With the configuration of the node that serves, its own certificate is believed.
  const auto port = collector.endpoint("collector").port;
  std::string own = world_.collector_only(port) + access();
  own.replace(own.find("window:"), 0, "token-file: noc.token, ");
  const Finished near = isochrone({"show", "status", "--config", world_.write("own.yaml", own)});
  EXPECT_EQ(near.status, 0) << near.err;
  EXPECT_EQ(isochrone({"token", token}).out, digests_.at("noc") + "\n") << "it is left as it is";
}

}  // namespace
}  // namespace isochrone::test
