// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/random.h"
#include "dns/master_file.h"
#include "dns/master_record.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Lines of "owner TTL type data", the data in hex.
std::vector<std::string> lines_of(const ZoneRecords& zone) {
  std::vector<std::string> lines;
  for (const Error& error : zone.errors) lines.push_back(error.text());
  for (const auto& row : zone.rows) {
    lines.push_back(fmt::format("{} {} {} {}", name_to_text(zone.owner(row)), row.ttl, row.type,
                                to_hex(zone.rdata(row))));
  }
  return lines;
}
std::vector<std::string> read(const std::string& text) {
  return lines_of(read_master_text(text, "example.com"));
}

class MasterFolder : public ::testing::Test {
 protected:
  MasterFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "isochrone-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~MasterFolder() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  // With the folder cut off where errors name it.
  std::vector<std::string> read_file(const std::string& name) {
    auto lines = lines_of(read_master_file(folder_ / name, "example.com"));
    for (std::string& line : lines) {
      for (auto at = line.find(folder_.string()); at != std::string::npos;
           at = line.find(folder_.string())) {
        line.erase(at, folder_.string().size() + 1);
      }
    }
    return lines;
  }
  std::filesystem::path folder_;
};

TEST(MasterText, TakesTtlAndClassInEitherOrderAndOwnersFromBefore) {
  EXPECT_THAT(read("a 60 IN A 192.0.2.1\n"
                   "b IN 61 A 192.0.2.2\n"
                   "  62 A 192.0.2.3\n"
                   "\tA 192.0.2.4\n"
                   "$TTL 1h30m\n"
                   "@ A 192.0.2.5\n"),
              ElementsAre("a.example.com 60 1 c0000201", "b.example.com 61 1 c0000202",
                          "b.example.com 62 1 c0000203", "b.example.com 62 1 c0000204",
                          "example.com 5400 1 c0000205"));
}

TEST(MasterText, JoinsLinesInParenthesesAndDropsComments) {
  EXPECT_THAT(read("a 60 TXT ( \"one ; ( \" ; a comment ) \"\n"
                   "  two ) ; more\n"
                   "b 60 TXT \"\\\"\" \\; ; end\n"
                   "c 60 A ( 192.0.2.1\n)\n"
                   "d 60 A 192.0.2.2"),
              ElementsAre("a.example.com 60 16 086f6e65203b20282003"
                          "74776f",
                          "b.example.com 60 16 0122013b", "c.example.com 60 1 c0000201",
                          "d.example.com 60 1 c0000202"));
}

TEST(MasterText, OriginIsRelativeToTheOneBefore) {
  EXPECT_THAT(read("$ORIGIN sub\na 60 CNAME b\n$ORIGIN other.test.\n@ 60 NS @\n"),
              ElementsAre("a.sub.example.com 60 5 016203737562076578616d706c6503636f6d00",
                          "other.test 60 2 056f74686572047465737400"));
}

TEST(MasterText, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(read("a 60 TXT ( x\n"), ElementsAre("text:1: a parenthesis is never closed"));
  EXPECT_THAT(read("\na 60 TXT x )\nb 60 TXT \"x\nc 60 A 1.2.3.4\n"),
              ElementsAre(HasSubstr("text:2: a parenthesis is closed"),
                          HasSubstr("text:3: a quote is not closed"), HasSubstr("c.example.com")));
  EXPECT_THAT(read(" 60 A 192.0.2.1\n"), ElementsAre(HasSubstr("text:1: a record without a name")));
  EXPECT_THAT(read("a..b 60 A 192.0.2.1\n"), ElementsAre(HasSubstr("is not a domain name")));
  EXPECT_THAT(read(std::string(64, 'x') + " 60 A 192.0.2.1\n"),
              ElementsAre(HasSubstr("is not a domain name")));
  EXPECT_THAT(read("a 60 BOGUS 1\n"), ElementsAre(HasSubstr("TYPEnumber")));
  EXPECT_THAT(read("a 60\n"), ElementsAre(HasSubstr("is not a record type")));
  EXPECT_THAT(read("$GENERATE 1-2 a A 192.0.2.$\n"), ElementsAre(HasSubstr("unknown directive")));
  EXPECT_THAT(read("$TTL soon\n$ORIGIN a..b\n"),
              ElementsAre(HasSubstr("text:1: $TTL wants"), HasSubstr("text:2: $ORIGIN wants")));
  EXPECT_THAT(read("a 60 AXFR x\n"), ElementsAre(HasSubstr("text:1: ")));
}

// Relative names grow by the origin, here 13 octets, wherever they stand.
TEST(MasterText, NamesHave255OctetsAtMost) {
  std::string name;
  for (int i = 0; i < 3; ++i) name += std::string(63, 'x') + ".";
  const std::string fits = name + std::string(49, 'y');
  const std::string overflows = fits + "y";
  const auto errors_in = [](const std::string& text) {
    std::vector<std::string> texts;
    for (const Error& error : read_master_text(text, "example.com").errors) {
      texts.push_back(error.text());
    }
    return texts;
  };
  for (const char* type :
       {"CNAME ", "DNAME ", "MX 1 ", "SRV 1 1 1 ", "NAPTR 1 1 \"\" \"\" \"\" ", "SVCB 1 "}) {
    EXPECT_THAT(errors_in("a 60 " + (type + fits) + "\n"), IsEmpty()) << type;
    EXPECT_THAT(errors_in("a 60 " + (type + overflows) + "\n"), ElementsAre(HasSubstr("text:1: ")))
        << type;
  }
  EXPECT_THAT(errors_in(fits + " 60 A 192.0.2.1\n"), IsEmpty());
  EXPECT_THAT(errors_in(overflows + " 60 A 192.0.2.1\n"),
              ElementsAre(HasSubstr("names at most 255")));
}

TEST_F(MasterFolder, IncludesFilesBesideTheIncludingOne) {
  write("zone", "$TTL 60\na A 192.0.2.1\n$INCLUDE parts/one sub\n  A 192.0.2.4\nb A 192.0.2.5\n");
  write("parts/one", "x A 192.0.2.2\n\n$INCLUDE two\n$ORIGIN gone\n$TTL 61\n");
  write("parts/two", "y A 192.0.2.3");
  EXPECT_THAT(read_file("zone"),
              ElementsAre("a.example.com 60 1 c0000201", "x.sub.example.com 60 1 c0000202",
                          "y.sub.example.com 60 1 c0000203", "a.example.com 61 1 c0000204",
                          "b.example.com 61 1 c0000205"));
}

TEST_F(MasterFolder, NamesFileAndLineOfWhatIsIncluded) {
  write("zone", "; first\n$INCLUDE part\nwrong A 1\n$INCLUDE absent\nlast A 2\n");
  write("part", "\n\nbad A 3\n$INCLUDE deeper\nworse A 4\n\n");
  write("deeper", "worst A ( 5\n)\n");
  EXPECT_THAT(read_file("zone"),
              ElementsAre(HasSubstr("part:3: "), HasSubstr("deeper:1: "), HasSubstr("part:5: "),
                          HasSubstr("zone:3: "), HasSubstr("zone:4: cannot open absent: No such"),
                          HasSubstr("zone:5: ")));
}

TEST_F(MasterFolder, RefusesLoopsAndDepth) {
  write("zone", "$INCLUDE ./sub/../loop\na 60 A 192.0.2.1\n");
  write("loop", "$INCLUDE sub/../zone\n");
  std::filesystem::create_directory(folder_ / "sub");
  EXPECT_THAT(read_file("zone"), ElementsAre(HasSubstr("loop:1: $INCLUDE of zone inside itself"),
                                             HasSubstr("a.example.com")));
  for (std::size_t i = 0; i <= kMaxIncludeDepth; ++i) {
    write(fmt::format("deep{}", i), fmt::format("$INCLUDE deep{}\n", i + 1));
  }
  EXPECT_THAT(read_file("deep0"),
              ElementsAre(HasSubstr(
                  fmt::format("deep{}:1: $INCLUDE more than 8 files deep", kMaxIncludeDepth - 1))));
  write("folder", "$INCLUDE sub\n");
  EXPECT_THAT(read_file("folder"), ElementsAre(HasSubstr("folder:1: cannot open sub: it is a")));
}

// Random data of one type: mostly sound, now and then not.
class Lines {
 public:
  explicit Lines(std::uint64_t seed) : random_(seed) {}

  std::string data(const std::string& type) {
    if (type == "A") return fmt::format("{}.{}.{}.{}", octet(), octet(), octet(), octet());
    if (type == "AAAA") return address6();
    if (type == "MX") return fmt::format("{} {}", below(70'000), name());
    if (type == "SRV") return fmt::format("{} {} {} {}", octet(), below(66'000), octet(), name());
    if (type == "TXT") return strings();
    if (type == "SOA") {
      return fmt::format("{} {} {} {} {}h {} 1w2d", name(), name(), below(5'000'000'000),
                         below(9'999), octet(), below(100));
    }
    return name();
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
  std::uint64_t octet() { return below(260); }
  std::string address6() {
    std::string text;
    for (int i = 0; i < 8; ++i) text += fmt::format("{}{:x}", i == 0 ? "" : ":", below(70'000));
    constexpr std::array kOthers{"::", "2001:db8::1", "::ffff:192.0.2.1", "1::2::3", ":1", "1:2"};
    return below(2) == 0 ? text : kOthers[below(kOthers.size())];
  }
  std::string piece(std::size_t longest) {
    constexpr std::array kPieces{"a",     "B",    "-", "_",     "*", "\\.",
                                 "\\046", "\\\\", "0", "\\000", "z9"};
    std::string text;
    for (std::uint64_t i = below(longest) + 1; i > 0; --i) text += kPieces[below(kPieces.size())];
    return text;
  }
  std::string name() {
    if (below(12) == 0) return below(2) == 0 ? "@" : ".";
    std::string text = piece(6);
    for (std::uint64_t i = below(4); i > 0; --i) text += "." + piece(below(20) == 0 ? 70 : 6);
    return text + (below(2) == 0 ? "." : "");
  }
  std::string strings() {
    std::string text;
    for (std::uint64_t i = below(4) + 1; i > 0; --i) {
      const bool is_quoted = below(2) == 0;
      text += is_quoted ? fmt::format("\"{} {}\" ", piece(below(30) == 0 ? 300 : 9), piece(3))
                        : piece(9) + " ";
    }
    return text;
  }
  Random random_;
};

TEST(MasterRecord, OurReaderAndLdnsGiveTheSameBytes) {
  const auto origin = name_from_text("example.com").value();
  Lines lines(20'261'123);
  int ours = 0;
  for (int i = 0; i < 5'000; ++i) {
    for (const char* type : {"A", "AAAA", "NS", "CNAME", "PTR", "MX", "TXT", "SOA", "SRV"}) {
      const std::string text = lines.data(type);
      std::vector<std::uint8_t> fast;
      if (!read_common_data(type_number(type), text, origin, fast)) continue;
      ++ours;
      std::vector<std::uint8_t> oracle;
      ASSERT_EQ(read_any_data(type, text, origin, oracle), "") << type << " " << text;
      ASSERT_EQ(to_hex(fast), to_hex(oracle)) << type << " " << text;
    }
  }
  EXPECT_GT(ours, 25'000) << "most lines are plain enough for our own reader";
}

TEST(MasterRecord, LdnsReadsWhatIsRare) {
  EXPECT_THAT(read("a 60 TYPE4711 \\# 3 010203\nb 60 A \\# 4 c0000201\n"
                   "c 60 CAA 0 issue \"ca.example.net\"\nd 60 DS 1 13 2 ( 00 01 )\n"),
              ElementsAre("a.example.com 60 4711 010203", "b.example.com 60 1 c0000201",
                          "c.example.com 60 257 000569737375656361"
                          "2e6578616d706c652e6e6574",
                          "d.example.com 60 43 00010d020001"));
}

}  // namespace
}  // namespace isochrone::dns::testing
