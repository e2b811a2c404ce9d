// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "dns/base32.h"
#include "dns/canonical.h"
#include "dns/ldns.h"
#include "dns/signatures.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

std::vector<std::uint8_t> name(const std::string& text) { return *name_from_text(text); }

TEST(Canonical, OrdersNamesAsTheExampleOfTheRfc) {  // RFC 4034 section 6.1
  const char* const sorted[] = {"example",         "a.example",      "yljkjljk.a.example",
                                "z.a.example",     "zabc.a.example", "z.example",
                                "\\001.z.example", "*.z.example",    "\\200.z.example"};
  for (std::size_t i = 1; i < std::size(sorted); ++i) {
    const CanonicalKey a(name(sorted[i - 1]));
    const CanonicalKey b(name(sorted[i]));
    EXPECT_TRUE(compare_keys(a.bytes(), b.bytes()) < 0) << sorted[i];
  }
}

TEST(Canonical, OrdersNamesAsLdnsDoes) {
  Random random(1);
  const auto draw = [&] {
    std::vector<std::uint8_t> wire;
    for (std::uint64_t labels = random.below(4); labels > 0; --labels) {
      const std::uint64_t size = 1 + random.below(3);
      wire.push_back(static_cast<std::uint8_t>(size));
      // The octets that are special to the key, and neighbours.
      for (std::uint64_t i = 0; i < size; ++i) {
        wire.push_back(static_cast<std::uint8_t>(random.below(4)));
      }
    }
    wire.push_back(0);
    return wire;
  };
  for (int i = 0; i < 5'000; ++i) {
    const auto a = draw();
    const auto b = draw();
    const LdnsRdf x(ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, a.size(), a.data()));
    const LdnsRdf y(ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, b.size(), b.data()));
    const int theirs = ldns_dname_compare(x.get(), y.get());
    const auto ours = compare_keys(CanonicalKey(a).bytes(), CanonicalKey(b).bytes());
    ASSERT_EQ(ours < 0, theirs < 0) << to_hex(a) << " " << to_hex(b);
    ASSERT_EQ(ours == 0, theirs == 0) << to_hex(a) << " " << to_hex(b);
  }
}

TEST(Canonical, FoldsTheDataThatLdnsFolds) {
  const char* const lines[] = {"x. 1 IN NS A.B.",
                               "x. 1 IN CNAME A.B.",
                               "x. 1 IN SOA A.B. C.D. 1 2 3 4 5",
                               "x. 1 IN PTR A.B.",
                               "x. 1 IN MX 65 A.B.",
                               "x. 1 IN SRV 65 66 67 A.B.",
                               "x. 1 IN DNAME A.B.",
                               "x. 1 IN TXT \"A\" \"B\"",
                               "x. 1 IN RP A.B. C.D.",
                               "x. 1 IN AFSDB 65 A.B.",
                               "x. 1 IN KX 65 A.B.",
                               "x. 1 IN RT 65 A.B.",
                               "x. 1 IN A 65.66.67.68",
                               "x. 1 IN MINFO A.B. C.D.",
                               "x. 1 IN PX 65 A.B. C.D.",
                               "x. 1 IN CAA 0 issue \"A.B\"",
                               "x. 1 IN NAPTR 65 66 \"U\" \"E2U\" \"!A!B!\" A.B."};
  for (const char* line : lines) {
    ldns_rr* raw = nullptr;
    ASSERT_EQ(ldns_rr_new_frm_str(&raw, line, 0, nullptr, nullptr), LDNS_STATUS_OK) << line;
    const LdnsRr rr(raw);
    const auto data = [&] {
      const LdnsBuffer buffer(ldns_buffer_new(1'024));
      ldns_rr_rdata2buffer_wire(buffer.get(), raw);
      const std::uint8_t* begin = ldns_buffer_begin(buffer.get());
      return std::vector<std::uint8_t>(begin, begin + ldns_buffer_position(buffer.get()));
    };
    auto ours = data();
    fold_data(static_cast<std::uint16_t>(ldns_rr_get_type(raw)), ours);
    ldns_rr2canonical(raw);
    EXPECT_EQ(to_hex(ours), to_hex(data())) << line;
  }
}

TEST(Canonical, BitMapsAreThoseOfTheRfc) {  // RFC 4034 section 4.3
  EXPECT_EQ(to_hex(type_bitmap({1, 15, 46, 47, 1234})),
            "0006400100000003041b000000000000000000000000000000000000000000000000000020");
  EXPECT_TRUE(type_bitmap({}).empty());
}

TEST(Canonical, HashesAreThoseOfLdns) {
  for (const char* text : {"example.com", "a.b.example.com", "*.example.com"}) {
    const LdnsRdf dname(ldns_dname_new_frm_str(text));
    std::uint8_t no_salt = 0;
    const LdnsRdf theirs(ldns_nsec3_hash_name(dname.get(), 1, 0, 0, &no_salt));
    const auto label = hash_label(hash_name(name(text)));
    const Bytes wire(ldns_rdf_data(theirs.get()), label.size());
    EXPECT_EQ(to_hex(label), to_hex(wire)) << text;
  }
}

}  // namespace
}  // namespace isochrone::dns::testing
