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

TEST(Metrics, NothingMeasuredIsAnEmptyText) { EXPECT_EQ(Metrics().text(), ""); }

}  // namespace
}  // namespace isochrone
