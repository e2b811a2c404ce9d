// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "prober/opt_out.h"
#include "tests/prober/vocabulary.h"

namespace isochrone::prober {
namespace {

struct Row {
  const char* address;
  Refusal otherwise;     // without allow_private
  Refusal with_private;  // with it
};

constexpr Row kRows[] = {
    {"8.8.8.8", Refusal::none, Refusal::none},
    {"0.0.0.0", Refusal::no_host, Refusal::no_host},
    {"0.1.2.3", Refusal::no_host, Refusal::no_host},
    {"224.0.0.1", Refusal::no_host, Refusal::no_host},
    {"239.255.255.255", Refusal::no_host, Refusal::no_host},
    {"255.255.255.255", Refusal::no_host, Refusal::no_host},
    {"::", Refusal::no_host, Refusal::no_host},
    {"ff02::1", Refusal::no_host, Refusal::no_host},
    {"9.255.255.255", Refusal::none, Refusal::none},
    {"10.0.0.0", Refusal::special_use, Refusal::none},
    {"11.0.0.0", Refusal::none, Refusal::none},
    {"100.64.0.1", Refusal::special_use, Refusal::none},
    {"100.128.0.1", Refusal::none, Refusal::none},
    {"127.0.0.1", Refusal::special_use, Refusal::none},
    {"169.254.1.1", Refusal::special_use, Refusal::none},
    {"172.15.255.255", Refusal::none, Refusal::none},
    {"172.31.255.255", Refusal::special_use, Refusal::none},
    {"192.0.0.8", Refusal::special_use, Refusal::none},
    {"192.0.2.1", Refusal::special_use, Refusal::none},
    {"192.88.99.1", Refusal::special_use, Refusal::none},
    {"192.168.0.1", Refusal::special_use, Refusal::none},
    {"198.19.255.255", Refusal::special_use, Refusal::none},
    {"198.51.100.1", Refusal::special_use, Refusal::none},
    {"203.0.113.1", Refusal::special_use, Refusal::none},
    {"240.0.0.1", Refusal::special_use, Refusal::none},
    {"2a00:1450::1", Refusal::none, Refusal::none},
    {"::1", Refusal::special_use, Refusal::none},
    {"64:ff9b:1::1", Refusal::special_use, Refusal::none},
    {"100::1", Refusal::special_use, Refusal::none},
    {"2001:2::1", Refusal::special_use, Refusal::none},
    {"2001:200::1", Refusal::none, Refusal::none},
    {"2001:db8::1", Refusal::special_use, Refusal::none},
    {"2002::1", Refusal::special_use, Refusal::none},
    {"3fff:fff::1", Refusal::special_use, Refusal::none},
    {"5f00::1", Refusal::special_use, Refusal::none},
    {"fd00::1", Refusal::special_use, Refusal::none},
    {"fe80::1", Refusal::special_use, Refusal::none},
};

TEST(OptOut, RefusesSpecialUseSpaceUnlessAllowed) {
  const OptOut strict({}, false);
  const OptOut open({}, true);
  for (const Row& row : kRows) {
    EXPECT_EQ(strict.check(address(row.address)), row.otherwise) << row.address;
    EXPECT_EQ(open.check(address(row.address)), row.with_private) << row.address;
  }
}

TEST(OptOut, HoldsWhateverElseIsAllowed) {
  const OptOut opt_out({prefix("10.1.0.0/16"), prefix("10.1.2.0/24"), prefix("2001:db8::/48"),
                        prefix("192.0.2.1/32")},
                       true);
  EXPECT_EQ(opt_out.check(address("10.1.2.3")), Refusal::opted_out);
  EXPECT_EQ(opt_out.check(address("10.1.200.3")), Refusal::opted_out);
  EXPECT_EQ(opt_out.check(address("10.2.0.0")), Refusal::none);
  EXPECT_EQ(opt_out.check(address("192.0.2.1")), Refusal::opted_out);
  EXPECT_EQ(opt_out.check(address("192.0.2.0")), Refusal::none);
  EXPECT_EQ(opt_out.check(address("192.0.2.2")), Refusal::none);
  EXPECT_EQ(opt_out.check(address("2001:db8::9")), Refusal::opted_out);
  EXPECT_EQ(opt_out.check(address("2001:db8:1::9")), Refusal::none);
}

TEST(OptOut, DefaultRouteOptsEverybodyOutOfItsFamily) {
  const OptOut opt_out({prefix("0.0.0.0/0")}, true);
  EXPECT_EQ(opt_out.check(address("8.8.8.8")), Refusal::opted_out);
  EXPECT_EQ(opt_out.check(address("2a00::1")), Refusal::none);
}

}  // namespace
}  // namespace isochrone::prober
