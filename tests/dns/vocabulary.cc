// SPDX-License-Identifier: Apache-2.0
#include "tests/dns/vocabulary.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "dns/follower.h"
#include "dns/ldns.h"
#include "dns/name.h"

namespace isochrone::dns::testing {
namespace {

void put16(std::vector<std::uint8_t>& out, unsigned value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value));
}

// Keeps the case of the text, which name_from_text() folds.
void put_name(std::vector<std::uint8_t>& out, const std::string& name) {
  ldns_rdf* raw = ldns_dname_new_frm_str(name.c_str());
  ASSERT_NE(raw, nullptr) << name;
  const LdnsRdf rdf(raw);
  const std::uint8_t* data = ldns_rdf_data(raw);
  out.insert(out.end(), data, data + ldns_rdf_size(raw));
}

std::vector<std::uint8_t> options_of(const Question& question) {
  std::vector<std::uint8_t> options;
  if (question.subnet) {
    const auto length = static_cast<unsigned>(question.subnet->length());
    const std::size_t octets = (length + 7) / 8;
    const auto bytes = question.subnet->address().bytes();
    put16(options, 8);
    put16(options, static_cast<unsigned>(4 + octets));
    put16(options, question.subnet->family() == Family::v4 ? 1 : 2);
    put16(options, length << 8);
    options.insert(options.end(), bytes.begin(),
                   bytes.begin() + static_cast<std::ptrdiff_t>(octets));
  }
  options.insert(options.end(), question.options.begin(), question.options.end());
  return options;
}

std::string text_of(const ldns_rr* rr) {
  char* raw = ldns_rr2str(rr);
  std::string text(raw);
  std::free(raw);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::string out;
  int field = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\t', at), text.size());
    // The class is always IN.
    if (field != 2) out += (out.empty() ? "" : " ") + text.substr(at, end - at);
    at = end + 1;
    ++field;
  }
  if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_SOA) {
    const auto data = out.find(" SOA ") + 5;
    out.resize(out.find(' ', data));
  }
  return out;
}

std::vector<std::string> texts_of(const ldns_rr_list* list) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(list); ++i) {
    texts.push_back(text_of(ldns_rr_list_rr(list, i)));
  }
  return texts;
}

void hear_options(Heard& heard, const ldns_pkt* packet) {
  const ldns_rdf* data = ldns_pkt_edns_data(packet);
  if (data == nullptr) return;
  ByteReader in(Bytes(ldns_rdf_data(data), ldns_rdf_size(data)));
  while (in.remaining() > 0) {
    const std::uint16_t code = in.u16();
    const Bytes octets = in.take(in.u16());
    heard.options[code] = to_hex(octets);
    ByteReader option(octets);
    if (code != 8) continue;
    const std::uint16_t family = option.u16();
    const std::uint8_t source = option.u8();
    heard.scope = option.u8();
    heard.subnet = fmt::format("{} {} {}", family, source, to_hex(option.take(option.remaining())));
  }
}

}  // namespace

routing::Topology three_sites() {
  routing::Topology topology;
  topology.sites = {{"fra", {}, {address("192.0.2.1"), address("2001:db8:1::1")}},
                    {"iad", {}, {address("192.0.2.2")}},
                    {"sin", {}, {address("192.0.2.99"), address("2001:db8:3::1")}}};
  topology.services.resize(2);
  topology.services[0].name = "www.example.com";
  topology.services[0].sites = {kSin, kFra, kIad};
  topology.services[1].name = "v4.example.com";
  topology.services[1].sites = {kIad};
  topology.services[1].ttl = Seconds(20);
  return topology;
}

routing::Topology every_routed_type() {
  routing::Topology topology = three_sites();
  topology.sites[kFra.index()].host_name = "fra.sites.example.com";
  topology.sites[kIad.index()].host_name = "iad.example.org";
  topology.sites[kSin.index()].host_name = "sin.sites.example.com";
  routing::Service app = topology.services[0];
  app.name = "app.example.com";
  app.https = routing::Binding{{"h3", "h2"}, false, std::uint16_t{8443}, {}};
  app.svcb = routing::Binding{{"dot"}, true, {}, "/dns-query{?dns}"};
  topology.services.push_back(std::move(app));
  routing::Service cdn = topology.services[0];
  cdn.name = "cdn.example.com";
  cdn.answer = routing::AnswerWith::host_name;
  topology.services.push_back(std::move(cdn));
  return topology;
}

std::string zone_of_every_routed_type() {
  return example_zone() +
         "fra.sites A 192.0.2.11\n"
         "          TXT \"frankfurt\"\n"
         "sin.sites CNAME mail\n"
         "to-cdn CNAME cdn\n";
}

std::string example_zone() {
  return R"($TTL 3600
@ 7200 IN SOA ns1 host 7 3600 600 86400 300
 NS ns1
 NS ns.elsewhere.org.
 MX 10 mail
 CAA 0 issue "ca.example.net"
ns1 A 192.0.2.53
 AAAA 2001:db8::53
mail A 192.0.2.25
 TXT "one" "two"
_sip._tcp SRV 1 2 5060 mail
private TYPE4711 \# 3 010203
a.b.deep A 192.0.2.7
*.wild A 192.0.2.8
 MX 5 mail
exists.wild TXT "here"
sub.*.star TXT "ordinary"
*.loop CNAME x.loop
www TXT "routed"
alias CNAME www
alias2 CNAME alias
out CNAME www.elsewhere.org.
over CNAME www.example.net.
dead CNAME nothing
loop1 CNAME loop2
loop2 CNAME loop1
toward CNAME host.child
*.alias.wild CNAME www
child NS ns1.child
 NS ns2.child
 NS ns.sibling
 DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000
ns1.child A 192.0.2.61
ns2.child A 192.0.2.62
 AAAA 2001:db8::62
sibling NS ns.sibling
ns.sibling A 192.0.2.63
)";
}

std::string other_zone() {
  return R"($TTL 600
@ SOA ns1.example.com. host 1 3600 600 86400 900
 NS ns1.example.com.
www CNAME www.example.com.
a A 192.0.2.77
)";
}

void prefer(NodeState& state, std::string_view text, routing::SiteId site) {
  routing::PrefixState known;
  known.prefix = prefix(text);
  for (const routing::SiteId each : {kFra, kIad, kSin}) {
    routing::Estimate estimate;
    estimate.p50 = Micros(each == site ? 5'000 : 50'000 + each.value());
    estimate.min = estimate.p90 = estimate.p50;
    estimate.samples = 100;
    known.set(each, estimate);
  }
  known.prefer(routing::ServiceId(0), site);
  known.version = 1;
  state.performance.put(known);
}

NodeState static_map() {
  NodeState state;
  prefer(state, "10.0.0.0/8", kFra);
  prefer(state, "10.1.2.0/24", kIad);
  return state;
}

std::shared_ptr<const ZoneSet> zones_of(const std::vector<ZoneSet::Text>& texts,
                                        const routing::Topology& topology) {
  auto loaded = ZoneSet::parse(texts, topology);
  for (const Error& error : loaded.errors) ADD_FAILURE() << error.text();
  return loaded.zones;
}

Snapshot snapshot_of(const NodeState& state, const std::vector<ZoneSet::Text>& texts,
                     const routing::Topology& topology) {
  BuildInputs inputs;
  inputs.zones = zones_of(texts, topology);
  inputs.topology = std::make_shared<const routing::Topology>(topology);
  inputs.wants_reasons = true;
  inputs.options.max_amplification = 0;  // what is asked is what is answered, whatever its size
  return *build_snapshot(inputs, state, 1);
}

Snapshot snapshot_of(const NodeState& state) {
  return snapshot_of(state, {{"example.com", example_zone()}, {"example.net", other_zone()}},
                     three_sites());
}

std::uint16_t type_number(const std::string& type) {
  return static_cast<std::uint16_t>(ldns_get_rr_type_by_name(type.c_str()));
}

std::vector<std::uint8_t> wire(const Question& question) {
  const bool has_edns =
      question.payload || question.subnet || !question.options.empty() || question.wants_dnssec;
  std::vector<std::uint8_t> out;
  put16(out, 0x1234);
  put16(out, question.flags);
  put16(out, 1);
  put16(out, 0);
  put16(out, 0);
  put16(out, has_edns ? 1 : 0);
  put_name(out, question.name);
  put16(out, type_number(question.type));
  put16(out, question.klass);
  if (!has_edns) return out;
  const auto options = options_of(question);
  out.push_back(0);
  put16(out, 41);
  put16(out, question.payload.value_or(1232));
  put16(out, 0);
  put16(out, question.wants_dnssec ? 0x8000 : 0);
  put16(out, static_cast<unsigned>(options.size()));
  out.insert(out.end(), options.begin(), options.end());
  return out;
}

Heard hear(Bytes bytes) {
  Heard heard;
  heard.bytes.assign(bytes.begin(), bytes.end());
  ldns_pkt* raw = nullptr;
  const ldns_status status = ldns_wire2pkt(&raw, bytes.data(), bytes.size());
  EXPECT_EQ(status, LDNS_STATUS_OK) << ldns_get_errorstr_by_id(status) << " " << to_hex(bytes);
  if (status != LDNS_STATUS_OK) return heard;
  const LdnsPacket packet(raw);
  const auto extended = static_cast<unsigned>(ldns_pkt_edns_extended_rcode(raw)) << 4;
  const unsigned rcode = extended | static_cast<unsigned>(ldns_pkt_get_rcode(raw));
  char* name = ldns_pkt_rcode2str(static_cast<ldns_pkt_rcode>(rcode));
  heard.rcode = rcode == 16 ? "BADVERS" : name;
  std::free(name);
  const std::pair<bool, const char*> flags[] = {
      {ldns_pkt_qr(raw), "qr"}, {ldns_pkt_aa(raw), "aa"},     {ldns_pkt_tc(raw), "tc"},
      {ldns_pkt_rd(raw), "rd"}, {ldns_pkt_ra(raw), "ra"},     {ldns_pkt_ad(raw), "ad"},
      {ldns_pkt_cd(raw), "cd"}, {(bytes[3] & 0x40) != 0, "z"}};
  for (const auto& [is_set, flag] : flags) {
    if (is_set) heard.flags += (heard.flags.empty() ? "" : " ") + std::string(flag);
  }
  heard.answer = texts_of(ldns_pkt_answer(raw));
  heard.authority = texts_of(ldns_pkt_authority(raw));
  heard.additional = texts_of(ldns_pkt_additional(raw));
  heard.has_edns = ldns_pkt_edns(raw);
  hear_options(heard, raw);
  return heard;
}

Heard ask(const Snapshot& snapshot, const Question& question) {
  std::vector<std::uint8_t> out(question.transport == Transport::tcp ? 65'535 : 4'096);
  const auto query = wire(question);
  const Reply reply =
      answer(snapshot, {query, question.sender, question.transport, question.now}, out);
  Heard heard = hear(Bytes(out).first(reply.size));
  heard.reply = reply;
  return heard;
}

std::vector<std::uint8_t> send_bytes(const Snapshot& snapshot, Bytes query, Transport transport) {
  std::vector<std::uint8_t> out(65'535);
  out.resize(answer(snapshot, {query, Address::v4(198, 51, 100, 53), transport}, out).size);
  return out;
}

std::vector<std::uint8_t> from_hex(std::string_view hex) {
  std::vector<std::uint8_t> bytes;
  std::string pair;
  for (const char c : hex) {
    if (c == ' ' || c == '\n') continue;
    pair += c;
    if (pair.size() == 2) {
      bytes.push_back(static_cast<std::uint8_t>(std::strtoul(pair.c_str(), nullptr, 16)));
      pair.clear();
    }
  }
  return bytes;
}

std::string to_hex(Bytes bytes) {
  std::string hex;
  for (const std::uint8_t byte : bytes) hex += fmt::format("{:02x}", byte);
  return hex;
}

}  // namespace isochrone::dns::testing
