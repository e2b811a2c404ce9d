// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "dns/name.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

Name name(std::string_view text) {
  Name made;
  EXPECT_TRUE(made.assign(name_from_text(text).value()));
  return made;
}

TEST(Name, FoldsOnlyAsciiLetters) {  // RFC 4343
  Name folded;
  const auto wire = from_hex("06 41 5a 5b 40 c1 61 00");
  ASSERT_TRUE(folded.assign(wire));
  EXPECT_EQ(to_hex(folded.wire()), "06617a5b40c16100");
}

TEST(Name, FoldsEveryOctetAlikeWhereverItStands) {
  for (unsigned octet = 0; octet < 256; ++octet) {
    for (std::uint8_t length = 1; length <= 20; ++length) {
      std::vector<std::uint8_t> wire(length + 2U, static_cast<std::uint8_t>(octet));
      wire.front() = length;
      wire.back() = 0;
      Name name;
      ASSERT_TRUE(name.assign(wire));
      for (std::size_t i = 1; i <= length; ++i) {
        ASSERT_EQ(name.wire()[i], fold(static_cast<std::uint8_t>(octet))) << octet << " at " << i;
      }
    }
  }
}

TEST(Name, TextAndWireFormAgree) {
  EXPECT_EQ(to_hex(name_from_text("Www.Example.COM.").value()),
            "03777777076578616d706c6503636f6d00");
  EXPECT_EQ(to_hex(name_from_text(".").value()), "00");
  EXPECT_EQ(to_hex(name_from_text(R"(a\.b\001.c)").value()), "04612e6201016300");
  EXPECT_EQ(name_to_text(name_from_text(R"(a\.b\001.c)").value()), R"(a\.b\001.c)");
  for (const char* bad : {"", "a..b", ".a", R"(a\)", R"(a\25)", R"(a\256)"}) {
    EXPECT_FALSE(name_from_text(bad)) << bad;
  }
  EXPECT_TRUE(name_from_text(std::string(63, 'a')));
  EXPECT_FALSE(name_from_text(std::string(64, 'a')));
}

TEST(Name, LiesWithinItsSuffixesOnly) {
  const Name www = name("www.example.com");
  EXPECT_TRUE(www.is_within(name("example.com").wire()));
  EXPECT_TRUE(www.is_within(www.wire()));
  EXPECT_TRUE(www.is_within(name(".").wire()));
  EXPECT_FALSE(www.is_within(name("ample.com").wire()));
  EXPECT_FALSE(name("com").is_within(www.wire()));
  // A label whose octets look like the other name's wire form.
  EXPECT_FALSE(name(R"(x\007example\003com)").is_within(name("example.com").wire()));
}

TEST(Name, ASuffixHashesAsTheNameItIs) {
  const Name www = name("www.example.com");
  EXPECT_EQ(www.suffix_hash(1), name("example.com").hash());
  EXPECT_EQ(www.suffix_hash(3), kRootHash);
  EXPECT_NE(www.hash(), name("xww.example.com").hash());
}

TEST(Name, RefusesPointersAndWhatIsCutShort) {
  for (const char* bad : {"", "03777777", "c00c", "0377777740", "04777777"}) {
    EXPECT_FALSE(name_size(from_hex(bad))) << bad;
  }
}

}  // namespace
}  // namespace isochrone::dns::testing
