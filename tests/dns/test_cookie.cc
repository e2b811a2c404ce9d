// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "dns/cookie.h"
#include "dns/cookie_secrets.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

// RFC 9018 appendix A.
const CookieSecrets kSecrets = parse_cookie_secrets("e5e973e5a6b2a43f48e7dc849e37bfcf").value();
const CookieSecrets kRolled = parse_cookie_secrets(
                                  "445536bcd2513298075a5d379663c962\n"
                                  "dd3bdf9344b678b185a6f5cb60fca715\n")
                                  .value();

Cookie cookie_of(std::string_view hex) { return parse_cookie(from_hex(hex)).value(); }

std::string renewed(const CookieSecrets& secrets, std::string_view hex, std::string_view sender,
                    std::uint32_t now) {
  const Cookie cookie = cookie_of(hex);
  const auto verdict = check_cookie(secrets, cookie, address(sender), now);
  return to_hex(renew_cookie(secrets, cookie, verdict, address(sender), now));
}

TEST(Cookie, EqualsTheExamplesOfRfc9018) {
  // A.1 to A.4: a first cookie; a renewed one; another client's; a rolled secret, IPv6.
  EXPECT_EQ(renewed(kSecrets, "2464c4abcf10c957", "198.51.100.100", 1559731985),
            "2464c4abcf10c957010000005cf79f111f8130c3eee29480");
  EXPECT_EQ(renewed(kSecrets, "2464c4abcf10c957010000005cf79f111f8130c3eee29480", "198.51.100.100",
                    1559734385),
            "2464c4abcf10c957010000005cf7a871d4a564a1442aca77");
  EXPECT_EQ(renewed(kSecrets, "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", "203.0.113.203",
                    1559734700),
            "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e");
  EXPECT_EQ(renewed(kRolled, "22681ab97d52c298010000005cf7c57926556bd0934c72f8",
                    "2001:db8:220:1:59de:d0f4:8769:82b8", 1559741961),
            "22681ab97d52c298010000005cf7c609a6bb79d16625507a");
}

TEST(Cookie, HoldsForItsSenderItsTimeAndItsSecretOnly) {
  constexpr std::uint32_t made = 1559734385;
  const Cookie cookie = cookie_of("2464c4abcf10c957010000005cf7a871d4a564a1442aca77");
  const auto check = [&](const CookieSecrets& secrets, std::string_view sender, std::uint32_t now) {
    return check_cookie(secrets, cookie, address(sender), now);
  };
  EXPECT_EQ(check(kSecrets, "198.51.100.100", made), CookieVerdict::good);
  EXPECT_EQ(check(kSecrets, "198.51.100.100", made + 3600), CookieVerdict::good);
  EXPECT_EQ(check(kSecrets, "198.51.100.100", made + 3601), CookieVerdict::bad);
  EXPECT_EQ(check(kSecrets, "198.51.100.100", made - 300), CookieVerdict::good);
  EXPECT_EQ(check(kSecrets, "198.51.100.100", made - 301), CookieVerdict::bad);
  EXPECT_EQ(check(kSecrets, "198.51.100.101", made), CookieVerdict::bad);
  EXPECT_EQ(check(kRolled, "198.51.100.100", made), CookieVerdict::bad);
}

TEST(Cookie, HasEightOrSixteenToFortyOctets) {
  for (std::size_t octets = 0; octets <= 48; ++octets) {
    const std::vector<std::uint8_t> data(octets, 1);
    const bool is_legal = octets == 8 || (octets >= 16 && octets <= 40);
    EXPECT_EQ(parse_cookie(data).has_value(), is_legal) << octets;
  }
}

TEST(CookieSecrets, SayWhatIsWrong) {
  EXPECT_TRUE(parse_cookie_secrets("# now\nE5e973e5a6b2a43f48e7dc849e37bfcf \r\n\n"));
  EXPECT_FALSE(parse_cookie_secrets(""));
  EXPECT_FALSE(parse_cookie_secrets("# nothing"));
  EXPECT_FALSE(parse_cookie_secrets("e5e973e5a6b2a43f48e7dc849e37bfc"));
  EXPECT_FALSE(parse_cookie_secrets("e5e973e5a6b2a43f48e7dc849e37bfcg"));
  const std::string line = "e5e973e5a6b2a43f48e7dc849e37bfcf\n";
  EXPECT_FALSE(parse_cookie_secrets(line + line + line));
}

}  // namespace
}  // namespace isochrone::dns::testing
