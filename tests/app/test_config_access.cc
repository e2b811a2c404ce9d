// SPDX-License-Identifier: Apache-2.0
//
// What a configuration says of who may use the HTTP API, and what is refused of it.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "app/config.h"
#include "tests/app/scratch.h"
#include "tests/support/authority.h"

namespace isochrone::app {
namespace {

const std::string kDigest = to_hex(sha256("secret"));

// Line 1 is the collector's, line 2 what it is accessed by.
class ConfigAccess : public testing::Test {
 protected:
  ConfigAccess() {
    test::Authority ca(scratch_.path());
    ca.issue("api");
    ca.issue("other");
    write_secret("token", "secret\n", 0600);
    write_secret("open", "secret\n", 0640);
    write_secret("open.key", ca.text("api.key"), 0644);
  }
  void write_secret(const std::string& name, const std::string& text, unsigned mode) {
    ::chmod(scratch_.write(name, text).c_str(), mode);
  }
  ConfigResult parse(const std::string& collector, const std::string& access) const {
    return parse_config("collector: {" + collector + "}\n" +
                            (access.empty() ? "" : "access: {" + access + "}\n") +
                            "node: {name: c1}\nsites: [{name: fra, addresses: 192.0.2.1}, {name: "
                            "iad, addresses: 192.0.2.2}]\n",
                        scratch_.path() / "c.yaml");
  }
  std::string error_of(const std::string& collector, const std::string& access) const {
    const auto config = parse(collector, access);
    if (config) return {};
    const std::string text = config.error().front().text();
    return text.substr(text.find(".yaml:") + 6);
  }
  std::string folder() const { return scratch_.path().string(); }

  Scratch scratch_;
};

const std::string kToken = "{name: a, digest: " + kDigest + ", roles: read}";
const std::string kLoopback = "listen: 127.0.0.1@0";
const std::string kWide = "listen: 192.0.2.7@0";
const std::string kTls = "certificate: api.pem, key: api.key";

TEST_F(ConfigAccess, NothingIsReachedByOthersWithoutATokenAndTls) {
  EXPECT_EQ(error_of(kLoopback, ""), "");
  EXPECT_EQ(error_of("listen: \"::1@0\"", ""), "");
  for (const char* wide : {"192.0.2.7", "0.0.0.0", "\"::@0\"", "\"2001:db8::1@0\""}) {
    EXPECT_NE(error_of("listen: " + std::string(wide), "").find("nobody is asked who they are"),
              std::string::npos)
        << wide;
  }
  EXPECT_EQ(error_of(kWide, ""),
            "1:21: 192.0.2.7@0 is reached by others, and nobody is asked who they are; add "
            "\"access:\" with \"tokens:\", or listen on 127.0.0.1");
  EXPECT_EQ(error_of(kWide, "tokens: [" + kToken + "]"),
            "1:21: 192.0.2.7@0 is reached by others, and tokens would go in clear; add "
            "access.certificate and access.key, or, where nobody can listen, \"cleartext: true\"");
  EXPECT_NE(error_of(kWide, kTls), "") << "TLS tells nobody who asks";
  EXPECT_EQ(error_of(kWide, kTls + ", tokens: [" + kToken + "]"), "");
  EXPECT_EQ(error_of(kWide, "cleartext: true, tokens: [" + kToken + "]"), "");
}

TEST_F(ConfigAccess, NorIsWhatANodeShows) {
  const std::string rest =
      "prober: {site: fra}\ncollector: {url: 'https://c1:8053'}\nsites: [{name: fra, addresses: "
      "192.0.2.1}]\n";
  const auto file = scratch_.path() / "c.yaml";
  EXPECT_TRUE(parse_config("node: {name: a, http: 127.0.0.1@0}\n" + rest, file));
  const auto open = parse_config("node: {name: a, http: 0.0.0.0@8053}\n" + rest, file);
  ASSERT_FALSE(open);
  EXPECT_NE(open.error().front().text().find("1:23: 0.0.0.0@8053 is reached by others"),
            std::string::npos);
}

TEST_F(ConfigAccess, EachFaultSaysWhereWhatAndWhatToDo) {
  struct Row {
    std::string collector;
    std::string access;
    std::string error;
  };
  const std::string token_of = "tokens: [{name: a, digest: " + kDigest + ", roles: ";
  const std::vector<Row> rows = {
      {kLoopback, "certificate: api.pem", "2:23: certificate without key; add \"key: FILE\""},
      {kLoopback, "key: api.key", "2:15: key without certificate; add \"certificate: FILE\""},
      {kLoopback, "certificate: none.pem, key: api.key",
       "2:23: no file " + folder() + "/none.pem; put it there or correct the path"},
      {kLoopback, "certificate: api.pem, key: open.key",
       "2:37: " + folder() +
           "/open.key can be read by others; chmod 600 it, and change the secret if anyone may "
           "have "
           "read it"},
      {kLoopback, "certificate: api.pem, key: other.key",
       "2:23: the certificate and its key cannot be used: The certificate and the given key do not "
       "match.; write PEM files that belong together"},
      {kLoopback, kTls + ", client-ca: token, tokens: [" + kToken + "]",
       "2:23: there is no certificate of an authority for clients; write PEM files that belong "
       "together"},
      {kLoopback, kTls + ", client-ca: ca.pem",
       "2:57: client-ca without tokens; a certificate says who may connect, a token what for: add "
       "\"tokens:\""},
      {kLoopback, "client-ca: ca.pem, tokens: [" + kToken + "]",
       "2:21: client-ca without certificate; clients show theirs over TLS only, add "
       "\"certificate: FILE\" and \"key: FILE\""},
      {kLoopback, "tokens: [{name: a, digest: 12, roles: read}]",
       "2:37: this is no SHA-256 in 64 hexadecimal digits; `isochrone token FILE` makes a token "
       "and "
       "prints its digest"},
      {kLoopback, token_of + "reed}]",
       "2:110: access.tokens[].roles: \"reed\" is none of prober, dns, read, operate; write one of "
       "them (did you mean \"read\"?)"},
      {kLoopback, token_of + "prober}]",
       "2:19: a prober's token without sites; name those it measures from, like \"sites: [fra]\""},
      {kLoopback, token_of + "prober, sites: fre}]",
       "2:125: unknown site \"fre\"; add it to sites or correct the name (did you mean \"fra\"?)"},
      {kLoopback, token_of + "read, sites: fra}]",
       "2:19: sites without the role prober; take them away, the other roles are for all sites"},
      {kLoopback, "tokens: [" + kToken + ", " + kToken + "]",
       "2:124: token \"a\" is there twice; rename or remove one, the first is on line 2"},
      {"url: 'http://192.0.2.1', token-file: token", "",
       "1:18: the token would go in clear; write https://, or, where nobody can listen, access "
       "with \"cleartext: true\""},
      {"url: 'https://192.0.2.1', token-file: open", "",
       "1:51: " + folder() +
           "/open can be read by others; chmod 600 it, and change the secret if anyone may have "
           "read it"},
      {"url: 'https://192.0.2.1', certificate: api.pem", "",
       "1:52: certificate without key; add \"key: FILE\""},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(error_of(row.collector, row.access), row.error) << row.collector << " " << row.access;
  }
}

TEST_F(ConfigAccess, ReachesTheWiring) {
  const auto config =
      parse(kWide + ", max-connections-per-client: 7, request-deadline: 5s, max-event-rate: 1000",
            kTls + ", client-ca: ca.pem, tokens: [{name: p, digest: " + kDigest +
                ", roles: [prober, read], sites: [fra, iad], sources: edge}]");
  ASSERT_TRUE(config) << config.error().front().text();
  const auto& options = config->collector;
  EXPECT_EQ(options.max_connections_per_client, 7U);
  EXPECT_EQ(options.request_deadline, Millis(5'000));
  EXPECT_EQ(options.max_event_rate, 1'000U);
  EXPECT_FALSE(options.tls.key.empty() || options.tls.client_authorities.empty());
  ASSERT_EQ(options.access.tokens.size(), 1U);
  const event::Token& token = options.access.tokens.front();
  EXPECT_EQ(token.sites, (std::vector<std::string>{"fra", "iad"}));
  EXPECT_EQ(token.sources, (std::vector<std::string>{"edge"}));
  EXPECT_TRUE(token.has(event::Role::prober) && token.has(event::Role::read));
  EXPECT_EQ(options.access.find("secret"), &token);
  EXPECT_TRUE(options.access.needs_certificate);
}

TEST_F(ConfigAccess, SaysHowTheCollectorElsewhereIsReached) {
  const auto config = parse_config(
      "node: {name: p}\nprober: {site: fra}\n"
      "collector: {url: 'https://c1:8053', ca: ca.pem, token-file: token, certificate: api.pem, "
      "key: api.key}\n",
      scratch_.path() / "c.yaml");
  ASSERT_TRUE(config) << config.error().front().text();
  const HttpAccess& access = config->prober.collector;
  EXPECT_EQ(access.url, "https://c1:8053");
  EXPECT_EQ(access.authorities, scratch_.path() / "ca.pem");
  EXPECT_EQ(access.token_file, scratch_.path() / "token");
  EXPECT_EQ(access.key, scratch_.path() / "api.key");
  EXPECT_EQ(access.trust, HttpTrust::named);
  EXPECT_EQ(access, config->dns.collector);
}

}  // namespace
}  // namespace isochrone::app
