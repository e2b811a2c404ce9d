// SPDX-License-Identifier: Apache-2.0
//
// Reading zones and the keys of their transfers.
#include "app/config_zones.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace isochrone::app {
namespace {

Seconds seconds_of(const Section& section, std::string_view key) {
  return std::chrono::duration_cast<Seconds>(section.one<Nanos>(key).value_or(Seconds(1)));
}

std::optional<dns::SigningPolicy> read_signing(const Section& section) {
  if (!section.is_present()) return std::nullopt;
  dns::SigningPolicy policy;
  policy.algorithm = dns::parse_algorithm(section.one<std::string>("algorithm").value_or(""))
                         .value_or(policy.algorithm);
  const auto denial = section.one<std::string>("denial").value_or("");
  policy.denial = denial == "nsec3"     ? dns::Denial::nsec3
                  : denial == "compact" ? dns::Denial::compact
                                        : dns::Denial::nsec;
  policy.lifetime = seconds_of(section, "signature-lifetime");
  policy.refresh = seconds_of(section, "refresh");
  policy.dnskey_ttl = seconds_of(section, "dnskey-ttl");
  policy.publish_cds = section.one<bool>("publish-cds").value_or(true);
  policy.keys = section.path("keys");
  if (policy.refresh >= policy.lifetime) {
    section.complain(
        section.mark_of(section.has("refresh") ? "refresh" : "signature-lifetime"),
        fmt::format("zones[].dnssec.refresh {} is not shorter than signature-lifetime {}; "
                    "signatures would be made anew all the time, half of it is usual",
                    format_duration(policy.refresh), format_duration(policy.lifetime)));
  }
  return policy;
}

// The name of a key of the list; empty without.
std::string read_key_name(const Section& section, const std::vector<dns::TsigKeySource>& keys) {
  if (!section.has("key")) return {};
  const auto name = section.one<std::string>("key").value_or("");
  std::vector<std::string_view> known;
  for (const auto& key : keys) known.push_back(key.name);
  if (!name.empty() && std::find(known.begin(), known.end(), name) == known.end()) {
    section.complain(section.mark_of("key"),
                     fmt::format("unknown key \"{}\"; add it to keys or correct the name{}", name,
                                 did_you_mean(name, known)));
  }
  return name;
}

std::vector<dns::TransferPeer> read_peers(const Section& transfer, std::string_view list,
                                          const std::vector<dns::TsigKeySource>& keys) {
  std::vector<dns::TransferPeer> peers;
  for (const Section& section : transfer.sections(list)) {
    const auto address = section.one<Endpoint>("address");
    auto key = read_key_name(section, keys);
    if (address) peers.push_back({*address, std::move(key)});
  }
  return peers;
}

dns::TransferOptions read_transfer(const Section& transfer,
                                   const std::vector<dns::TsigKeySource>& keys) {
  dns::TransferOptions options;
  options.notify = read_peers(transfer, "notify", keys);
  options.primaries = read_peers(transfer, "primaries", keys);
  for (const Section& section : transfer.sections("allow")) {
    const std::string key = read_key_name(section, keys);
    if (section.has("prefix")) {
      if (const auto prefix = section.one<Prefix>("prefix"))
        options.allow.push_back({*prefix, key});
    } else if (section.has("key")) {
      options.allow.push_back({Prefix(), key});
      options.allow.push_back({Prefix(Address::from_bits(Family::v6, 0, 0), 0), key});
    } else {
      section.complain(section.mark(),
                       "zones[].transfer.allow[]: neither prefix nor key; everyone could have the "
                       "zone, give one or both");
    }
  }
  return options;
}

}  // namespace

std::vector<dns::TsigKeySource> read_keys(const Section& root) {
  Unique names("key", root);
  std::vector<dns::TsigKeySource> keys;
  for (const Section& section : root.sections("keys")) {
    dns::TsigKeySource key;
    key.name = section.one<std::string>("name").value_or("");
    key.secret_file = section.file("secret-file");
    const auto algorithm = section.one<std::string>("algorithm").value_or("");
    if (algorithm == "hmac-sha384") key.algorithm = dns::HmacAlgorithm::sha384;
    if (algorithm == "hmac-sha512") key.algorithm = dns::HmacAlgorithm::sha512;
    if (!key.name.empty()) names.check(key.name, section.mark_of("name"));
    keys.push_back(std::move(key));
  }
  return keys;
}

std::vector<dns::ZoneSource> read_zones(const Section& root,
                                        const std::vector<dns::TsigKeySource>& keys) {
  Unique names("zone", root);
  std::vector<dns::ZoneSource> zones;
  for (const Section& section : root.sections("zones")) {
    const auto name = section.one<std::string>("name");
    auto file = section.file("file");
    const Section transfer = section.section("transfer");
    auto options = read_transfer(transfer, keys);
    if (section.has("file") == transfer.has("primaries")) {
      section.complain(section.mark(),
                       "zones[]: a zone has either a file or transfer.primaries; give one of them");
    }
    if (!name) continue;
    names.check(*name, section.mark_of("name"));
    const Section dnssec = section.section("dnssec");
    zones.push_back({*name, std::move(file), read_signing(dnssec), !options.primaries.empty(),
                     std::move(options)});
  }
  return zones;
}

}  // namespace isochrone::app
