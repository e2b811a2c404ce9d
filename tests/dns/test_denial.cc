// SPDX-License-Identifier: Apache-2.0
//
// What is denied is true: over random zones, no interval holds a name that exists, and no bit map
// lacks a type that is there or names one that is not.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "base/random.h"
#include "dns/ldns.h"
#include "tests/dns/signed_world.h"

namespace isochrone::dns::testing {
namespace {

// Labels that make wildcards, empty non-terminals and neighbours in canonical order likely.
std::string random_name(Random& random) {
  static const char* const kLabels[] = {"a", "b", "ab", "*", "z", "0", "a-b", "\\001", "\\255"};
  std::string name;
  for (std::uint64_t i = 1 + random.below(3); i > 0; --i) {
    name += std::string(kLabels[random.below(std::size(kLabels))]) + ".";
  }
  return name + "example.com.";
}

std::string random_zone(Random& random) {
  std::string zone = "$TTL 60\n@ SOA ns host 1 2 3 4 50\n@ NS ns.example.net.\n";
  for (std::uint64_t i = random.below(25); i > 0; --i) {
    const std::string name = random_name(random);
    switch (random.below(5)) {
      case 0:
        zone += name + " NS ns.example.net.\n";
        break;
      case 1:
        zone += name + " TXT \"x\"\n";
        break;
      case 2:
        zone += name + " MX 1 mail\n";
        break;
      default:
        zone += name + " A 192.0.2.1\n";
    }
  }
  return zone + "www TXT \"routed\"\nv4 TXT \"routed\"\n";
}

std::string text_of(Bytes wire) { return name_to_text(wire) + "."; }

// Names that exist, by asking the unsigned zone: every node that is not below a cut.
std::set<std::string> existing_names(const Zone& zone) {
  std::set<std::string> names;
  for (const Zone::Node& node : zone.nodes()) {
    if (!node.is_below_cut) names.insert(text_of(zone.name(node)));
  }
  return names;
}

LdnsRdf dname(const std::string& text) { return LdnsRdf(ldns_dname_new_frm_str(text.c_str())); }

// What one reply's denials claim, checked against the zone.
void check_claims(const SignedWorld& world, const Heard& heard,
                  const std::set<std::string>& names) {
  ldns_pkt* raw = nullptr;
  ASSERT_EQ(ldns_wire2pkt(&raw, heard.bytes.data(), heard.bytes.size()), LDNS_STATUS_OK);
  const LdnsPacket packet(raw);
  const ldns_rr_list* authority = ldns_pkt_authority(raw);
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(authority); ++i) {
    const ldns_rr* rr = ldns_rr_list_rr(authority, i);
    const bool is_nsec3 = ldns_rr_get_type(rr) == LDNS_RR_TYPE_NSEC3;
    if (!is_nsec3 && ldns_rr_get_type(rr) != LDNS_RR_TYPE_NSEC) continue;
    for (const std::string& text : names) {
      LdnsRdf name = dname(text);
      if (is_nsec3) {
        name.reset(ldns_nsec3_hash_name_frm_nsec3(rr, name.get()));
        const LdnsRdf apex = dname("example.com.");
        ASSERT_EQ(ldns_dname_cat(name.get(), apex.get()), LDNS_STATUS_OK);
      }
      if (ldns_dname_compare(ldns_rr_owner(rr), name.get()) == 0) {
        const Zone::Node* node = nullptr;
        Name wire;
        wire.assign(*name_from_text(text));
        node = world.zone().find_node(wire);
        const ldns_rdf* bitmap = ldns_nsec_get_bitmap(rr);
        constexpr std::uint16_t kTypes[] = {1, 2, 6, 15, 16, 28, 43, 48};
        for (const std::uint16_t type : kTypes) {
          bool is_there = world.zone().rrset(*node, type).has_value();
          if (world.zone().service(*node)) is_there |= type == 1 || (type == 28 && text[0] == 'w');
          if (node->is_cut) is_there = type == 2;
          if (text == "example.com.") is_there |= type == 48;
          EXPECT_EQ(ldns_nsec_bitmap_covers_type(bitmap, static_cast<ldns_rr_type>(type)), is_there)
              << text << " type " << type;
        }
        continue;
      }
      // An empty non-terminal may lie within an NSEC interval: its next name is below it.
      if (!ldns_nsec_covers_name(rr, name.get())) continue;
      const ldns_rdf* next = ldns_rr_rdf(rr, 0);
      EXPECT_TRUE(!is_nsec3 && ldns_dname_is_subdomain(next, name.get())) << text;
    }
  }
}

class RandomZones : public ::testing::TestWithParam<Denial> {};
INSTANTIATE_TEST_SUITE_P(Denial, RandomZones,
                         ::testing::Values(Denial::nsec, Denial::nsec3, Denial::compact));

TEST_P(RandomZones, AreDeniedTruthfullyAndBelieved) {
  for (std::uint64_t seed = 1; seed <= 15; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::string text = random_zone(random);
    const auto loaded =
        ZoneSet::parse({{"example.com", text}, {"example.net", other_zone()}}, three_sites());
    if (!loaded.zones) continue;  // a service below a random cut
    const SignedWorld world(GetParam(), kEd25519Key, text);
    const auto names = existing_names(world.zone());
    for (int i = 0; i < 60; ++i) {
      const std::string name = random_name(random);
      const std::string type = random.below(2) == 0 ? "A" : "HINFO";
      const Heard heard = ask_online(world, {.name = name, .type = type});
      EXPECT_EQ(fault_of(world, heard, name, type), "") << name << " " << type << "\n" << text;
      check_claims(world, heard, names);
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(DenialChain, HoldsEveryKeyInExactlyOneInterval) {
  DenialChain chain;
  const std::uint8_t keys[] = {10, 20, 30};
  for (const std::uint8_t& key : keys) chain.add(Bytes(&key, 1), {}, {});
  const std::pair<int, std::uint32_t> rows[] = {{0, 2},  {9, 2},  {10, 0}, {11, 0},
                                                {20, 1}, {29, 1}, {30, 2}, {255, 2}};
  for (const auto& [wanted, entry] : rows) {
    const auto key = static_cast<std::uint8_t>(wanted);
    EXPECT_EQ(chain.covering(Bytes(&key, 1)), entry) << wanted;
  }
}

}  // namespace
}  // namespace isochrone::dns::testing
