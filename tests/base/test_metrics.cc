// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/metrics.h"

namespace isochrone {
namespace {

TEST(Metrics, AreWrittenAsPrometheusText) {
  Metrics metrics;
  metrics.counter("isochrone_events_total", "Events taken in", 12, {{"channel", "demand"}});
  metrics.gauge("isochrone_age_seconds", "Age of the state", 0.25);
  metrics.counter("isochrone_events_total", "Events taken in", 3, {{"channel", "load"}});
  EXPECT_EQ(metrics.text(),
            "# HELP isochrone_events_total Events taken in\n"
            "# TYPE isochrone_events_total counter\n"
            "isochrone_events_total{channel=\"demand\"} 12\n"
            "isochrone_events_total{channel=\"load\"} 3\n"
            "# HELP isochrone_age_seconds Age of the state\n"
            "# TYPE isochrone_age_seconds gauge\n"
            "isochrone_age_seconds 0.25\n");
}

TEST(Metrics, LargeCountersLoseNoDigits) {
  Metrics metrics;
  metrics.counter("a_total", "a", 1'234'567'890'123.0);
  EXPECT_NE(metrics.text().find("a_total 1234567890123\n"), std::string::npos) << metrics.text();
}

TEST(Metrics, LabelValuesAreEscaped) {
  Metrics metrics;
  metrics.gauge("a", "a", 1, {{"name", "x\"y\\z\n"}});
  EXPECT_NE(metrics.text().find(R"(a{name="x\"y\\z\n"} 1)"), std::string::npos) << metrics.text();
}

TEST(Metrics, CountersGoOnFromAnEarlierProcess) {
  Metrics before;
  before.counter("a_total", "a", 5, {{"channel", "demand"}});
  before.counter("b_total", "b", 7);
  before.gauge("c", "c", 9);
  Metrics after;
  after.add_earlier(before.counters());
  after.counter("a_total", "a", 2, {{"channel", "demand"}});
  after.counter("a_total", "a", 1, {{"channel", "load"}});
  after.gauge("c", "c", 1);
  const std::string text = after.text();
  EXPECT_NE(text.find("a_total{channel=\"demand\"} 7\n"), std::string::npos) << text;
  EXPECT_NE(text.find("a_total{channel=\"load\"} 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\nc 1\n"), std::string::npos) << "gauges are of now\n" << text;
  EXPECT_EQ(text.find("b_total"), std::string::npos) << "what is no longer counted is gone";
  Metrics third;
  third.add_earlier(after.counters());
  third.counter("a_total", "a", 1, {{"channel", "demand"}});
  EXPECT_NE(third.text().find("} 8\n"), std::string::npos) << third.text();
}

TEST(Metrics, NothingMeasuredIsAnEmptyText) { EXPECT_EQ(Metrics().text(), ""); }

}  // namespace
}  // namespace isochrone
