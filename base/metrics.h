// SPDX-License-Identifier: Apache-2.0
//
// Metrics: one scrape's worth of numbers, written as Prometheus text.
//
// Each part writes its counters into one of these when asked (`void measure(Metrics&) const`), so
// no registry, lock or label map is touched while the part works. Naming:
// isochrone_<part>_<what>_total|_seconds|_bytes; label values from closed sets only.
#pragma once

#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace isochrone {

class Metrics {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  Metrics();
  ~Metrics();

  void counter(std::string_view name, std::string_view help, double value, Labels labels = {});
  void gauge(std::string_view name, std::string_view help, double value, Labels labels = {});

  // Every counter by name and labels, in a form that another version understands too.
  using Counters = std::map<std::string, double>;
  Counters counters() const;
  // Added to the counters of the same names and labels, measured before or after: what an earlier
  // process counted for this one.
  void add_earlier(Counters earlier);

  // Text exposition format 0.0.4.
  std::string text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isochrone
