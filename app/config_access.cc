// SPDX-License-Identifier: Apache-2.0
//
// Reading certificates and tokens: files that have to be secret are, and each token can do something.
#include "app/config_access.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/secret_file.h"

namespace isochrone::app {
namespace {

// A chain of certificates, or a bundle of authorities: Debian's of all the world has 220 KB.
constexpr std::size_t kMaxPemBytes = 1 << 20;

std::string read_pem(const Section& section, std::string_view key) {
  const auto file = section.file(key);
  if (file.empty()) return {};
  std::ifstream stream(file, std::ios::binary);
  std::string text(kMaxPemBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > kMaxPemBytes) {
    section.complain(section.mark_of(key),
                     fmt::format("{} is larger than 1 MiB; it is no PEM file", file.string()));
  }
  return text;
}

// Complains when only one of the two is there.
bool has_pair(const Section& section, std::string_view first, std::string_view second) {
  for (const auto& [here, missing] : {std::pair(first, second), std::pair(second, first)}) {
    if (section.has(here) && !section.has(missing)) {
      section.complain(section.mark_of(here),
                       fmt::format("{0} without {1}; add \"{1}: FILE\"", here, missing));
    }
  }
  return section.has(first) && section.has(second);
}

void check_tls(const Section& section, const HttpTls& tls) {
  if (tls.certificate.empty() || tls.key.empty()) return;
  if (const auto made = HttpCredentials::make(tls); !made) {
    section.complain(section.mark_of("certificate"),
                     made.error().text() + "; write PEM files that belong together");
  }
}

// Unchecked.
HttpTls read_certificate(const Section& section) {
  HttpTls tls;
  if (!has_pair(section, "certificate", "key")) return tls;
  tls.certificate = read_pem(section, "certificate");
  tls.key = read_secret(section, "key");
  return tls;
}

HttpTls read_tls(const Section& access) {
  HttpTls tls;
  if (access.has("client-ca") && !access.has("certificate")) {
    access.complain(access.mark_of("client-ca"),
                    "client-ca without certificate; clients show theirs over TLS only, add "
                    "\"certificate: FILE\" and \"key: FILE\"");
  }
  tls = read_certificate(access);
  tls.client_authorities = tls.empty() ? "" : read_pem(access, "client-ca");
  check_tls(access, tls);
  return tls;
}

void read_sites(const Section& section, const routing::Topology& topology, event::Token& token) {
  std::vector<std::string_view> known;
  for (const auto& site : topology.sites) known.push_back(site.name);
  for (const auto& [site, mark] : section.many<std::string>("sites")) {
    if (std::find(known.begin(), known.end(), site) == known.end()) {
      section.complain(
          mark, fmt::format("unknown site \"{}\"; add it to sites or correct the name{}", site,
                            did_you_mean(site, known)));
    }
    token.sites.push_back(site);
  }
  if (token.has(event::Role::prober) == !token.sites.empty()) return;
  section.complain(section.mark(), token.sites.empty()
                                       ? "a prober's token without sites; name those it measures "
                                         "from, like \"sites: [fra]\""
                                       : "sites without the role prober; take them away, the other "
                                         "roles are for all sites");
}

event::Token read_token(const Section& section, const routing::Topology& topology) {
  event::Token token;
  token.name = section.one<std::string>("name").value_or("");
  const auto digest = section.one<std::string>("digest").value_or("");
  if (const auto parsed = sha256_from_hex(digest)) {
    token.digest = *parsed;
  } else if (section.has("digest")) {
    section.complain(section.mark_of("digest"),
                     "this is no SHA-256 in 64 hexadecimal digits; `isochrone token FILE` makes a "
                     "token and prints its digest");
  }
  for (const auto& [word, mark] : section.many<std::string>("roles")) {
    if (const auto role = event::parse_role(word)) token.roles.push_back(*role);
  }
  for (const auto& [source, mark] : section.many<std::string>("sources")) {
    token.sources.push_back(source);
  }
  read_sites(section, topology, token);
  return token;
}

// Whether what is sent there can be read on the way.
bool leaves_in_clear(std::string_view url) {
  if (!url.starts_with("http://")) return false;
  std::string_view host = url.substr(7);
  host =
      host.starts_with('[') ? host.substr(1, host.find(']') - 1) : host.substr(0, host.find(':'));
  const auto address = Address::parse(host);
  return !(address ? is_loopback(*address) : host == "localhost");
}

}  // namespace

bool is_loopback(const Address& address) {
  static const Prefix v4 = Prefix::parse("127.0.0.0/8").value();
  static const Prefix v6 = Prefix::parse("::1/128").value();
  return address.is_v4() ? v4.contains(address) : v6.contains(address);
}

std::string read_secret(const Section& section, std::string_view key) {
  const auto file = section.file(key);
  std::error_code error;
  if (file.empty() || !std::filesystem::is_regular_file(file, error)) return {};
  auto text = read_secret_file(file);
  if (!text) section.complain(section.mark_of(key), text.error().text());
  return text ? std::move(*text) : std::string();
}

HttpTls read_key_pair(const Section& section) {
  const HttpTls tls = read_certificate(section);
  check_tls(section, tls);
  return tls;
}

ApiOptions read_access(const Section& root, const routing::Topology& topology) {
  const Section access = root.section("access");
  ApiOptions api;
  if (!access.is_present()) return api;
  api.tls = read_tls(access);
  if (!api.tls.empty()) api.certificate_file = access.file("certificate");
  api.access.needs_certificate = !api.tls.client_authorities.empty();
  Unique names("token", access);
  Unique digests("digest", access);
  for (const Section& section : access.sections("tokens")) {
    api.access.tokens.push_back(read_token(section, topology));
    const event::Token& token = api.access.tokens.back();
    names.check(token.name, section.mark_of("name"));
    digests.check(to_hex(token.digest), section.mark_of("digest"));
  }
  if (api.access.is_open() && access.has("client-ca")) {
    access.complain(
        access.mark_of("client-ca"),
        "client-ca without tokens; a certificate says who may connect, a token what for: "
        "add \"tokens:\"");
  }
  return api;
}

void check_listening(const Section& root, const ApiOptions& api, const Section& section,
                     std::string_view key, const Endpoint& listen) {
  if (is_loopback(listen.address)) return;
  const Section access = root.section("access");
  if (api.access.is_open()) {
    section.complain(section.mark_of(key),
                     fmt::format("{} is reached by others, and nobody is asked who they are; add "
                                 "\"access:\" with \"tokens:\", or listen on 127.0.0.1",
                                 listen.to_string()));
  } else if (api.tls.empty() && !access.one<bool>("cleartext").value_or(false)) {
    section.complain(section.mark_of(key),
                     fmt::format("{} is reached by others, and tokens would go in clear; add "
                                 "access.certificate and access.key, or, where nobody can listen, "
                                 "\"cleartext: true\"",
                                 listen.to_string()));
  }
}

HttpAccess read_collector_access(const Section& root) {
  const Section collector = root.section("collector");
  HttpAccess access;
  access.authorities = collector.file("ca");
  access.token_file = collector.file("token-file");
  read_secret(collector, "token-file");
  if (has_pair(collector, "certificate", "key")) {
    access.certificate = collector.file("certificate");
    access.key = collector.file("key");
    read_secret(collector, "key");
  }
  const bool is_cleartext = root.section("access").one<bool>("cleartext").value_or(false);
  for (const auto& [url, mark] : collector.many<std::string>("url")) {
    (access.url.empty() ? access.url : access.others.emplace_back()) = url;
    if (access.token_file.empty() || is_cleartext || !leaves_in_clear(url)) continue;
    collector.complain(mark,
                       "the token would go in clear; write https://, or, where nobody can listen, "
                       "access with \"cleartext: true\"");
  }
  if (collector.is_empty_list("url")) {
    collector.complain(collector.mark_of("url"),
                       "collector.url: none; name the collectors, or remove the key");
  }
  return access;
}

}  // namespace isochrone::app
