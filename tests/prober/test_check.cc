// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "prober/check.h"
#include "tests/prober/vocabulary.h"

namespace isochrone::prober {
namespace {

using routing::Method;

Options valid() {
  Options options;
  options.site = "fra";
  options.collector = "http://127.0.0.1:1";
  options.methods = {Method::icmp};
  return options;
}

TEST(CheckOptions, NamesWhatIsWrong) {
  EXPECT_TRUE(check_options(valid()));
  Options options = valid();
  options.methods = {Method::passive};
  EXPECT_NE(check_options(options).error().text().find("methods"), std::string::npos);
  options = valid();
  options.rate_pps = 0;
  EXPECT_NE(check_options(options).error().text().find("rate"), std::string::npos);
  options = valid();
  options.contact = "two\nlines";
  EXPECT_NE(check_options(options).error().text().find("contact"), std::string::npos);
}

TEST(CheckReload, RefusesWhatNeedsARestartByName) {
  Options next = valid();
  next.rate_pps = 5;
  EXPECT_TRUE(check_reload(valid(), next));
  next = valid();
  next.site = "iad";
  EXPECT_NE(check_reload(valid(), next).error().text().find("site"), std::string::npos);
  next = valid();
  next.source_addresses = {address("192.0.2.1")};
  EXPECT_NE(check_reload(valid(), next).error().text().find("source"), std::string::npos);
}

}  // namespace
}  // namespace isochrone::prober
