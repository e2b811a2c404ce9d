// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <unordered_map>
#include <vector>

namespace isochrone {

namespace {

std::string key_of(const std::string& name, const prometheus::ClientMetric& metric) {
  std::string key = name;
  for (const auto& label : metric.label) key += "\n" + label.name + "=" + label.value;
  return key;
}

}  // namespace

struct Metrics::Impl {
  prometheus::ClientMetric& add(std::string_view name, std::string_view help,
                                prometheus::MetricType type, Labels labels);

  // With what earlier processes counted.
  std::vector<prometheus::MetricFamily> whole() const;

  std::vector<prometheus::MetricFamily> families;  // in the order they were first named
  Counters earlier;
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

std::vector<prometheus::MetricFamily> Metrics::Impl::whole() const {
  auto all = families;
  if (earlier.empty()) return all;
  for (auto& family : all) {
    if (family.type != prometheus::MetricType::Counter) continue;
    for (auto& metric : family.metric) {
      const auto found = earlier.find(key_of(family.name, metric));
      if (found != earlier.end()) metric.counter.value += found->second;
    }
  }
  return all;
}

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::counter(std::string_view name, std::string_view help, double value, Labels labels) {
  impl_->add(name, help, prometheus::MetricType::Counter, labels).counter.value = value;
}

void Metrics::gauge(std::string_view name, std::string_view help, double value, Labels labels) {
  impl_->add(name, help, prometheus::MetricType::Gauge, labels).gauge.value = value;
}

Metrics::Counters Metrics::counters() const {
  Counters all;
  for (const auto& family : impl_->whole()) {
    if (family.type != prometheus::MetricType::Counter) continue;
    for (const auto& metric : family.metric) {
      all[key_of(family.name, metric)] = metric.counter.value;
    }
  }
  return all;
}

void Metrics::add_earlier(Counters earlier) { impl_->earlier = std::move(earlier); }

std::string Metrics::text() const { return prometheus::TextSerializer().Serialize(impl_->whole()); }

}  // namespace isochrone
