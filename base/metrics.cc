// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <unordered_map>
#include <vector>

namespace isochrone {

struct Metrics::Impl {
  prometheus::ClientMetric& add(std::string_view name, std::string_view help,
                                prometheus::MetricType type, Labels labels);

  std::vector<prometheus::MetricFamily> families;  // in the order they were first named
  std::unordered_map<std::string, std::size_t> index;
};

prometheus::ClientMetric& Metrics::Impl::add(std::string_view name, std::string_view help,
                                             prometheus::MetricType type, Labels labels) {
  const auto [at, is_new] = index.try_emplace(std::string(name), families.size());
  if (is_new) families.push_back({std::string(name), std::string(help), type, {}});
  auto& metric = families[at->second].metric.emplace_back();
  for (const auto& [label, value] : labels) {
    metric.label.push_back({std::string(label), std::string(value)});
  }
  return metric;
}

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::counter(std::string_view name, std::string_view help, double value, Labels labels) {
  impl_->add(name, help, prometheus::MetricType::Counter, labels).counter.value = value;
}

void Metrics::gauge(std::string_view name, std::string_view help, double value, Labels labels) {
  impl_->add(name, help, prometheus::MetricType::Gauge, labels).gauge.value = value;
}

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(impl_->families);
}

}  // namespace isochrone
