// SPDX-License-Identifier: Apache-2.0
//
// Collector: the role that takes events in, reduces them to performance state, and gives state back.
//
// Threads:   owns its own; every member here may be called from one controlling thread.
// Stopping:  the destructor answers what is in progress and writes what is reduced; nothing that was
//            acknowledged is lost, by then or by kill -9.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/fd.h"
#include "base/metrics.h"
#include "base/result.h"
#include "collector/options.h"
#include "routing/topology.h"

namespace isochrone::collector {

class Collector {
 public:
  // `measure_node` lets /metrics and /v1/status speak for the other roles of this process too. With
  // `listener` the requests are taken there. `begin_anew` is called, by a thread of the collector, when its
  // log is another than it believed: end it then, and start another.
  static Result<std::unique_ptr<Collector>> start(const Options& options,
                                                  const routing::Topology& topology,
                                                  std::function<void(Metrics&)> measure_node = {},
                                                  Fd listener = {},
                                                  std::function<void()> begin_anew = {});
  ~Collector();

  // Takes no more requests; from here on measure() tells the same for ever.
  void stop_serving();
  // The collector's own numbers and its HTTP server's. Not for the HTTP server's threads.
  void measure(Metrics& metrics) const;

  // Takes new sites and services; what needs a restart (listen, state-dir) is refused, unchanged.
  Result<void> reload(const Options& options, const routing::Topology& topology);
  std::uint16_t port() const;
  std::uint16_t beacon_port() const;  // 0: browsers are not asked

 private:
  Collector();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isochrone::collector
