// SPDX-License-Identifier: Apache-2.0
//
// Watch: looks at the conditions once a second and tells the receiver what fires and what is over.
//
// Threads:  one of its own, which waits for the engine, the log and the receiver; the others never
//           wait for it. alerts() and measure() from any.
// Delivery: what fires is posted until the receiver answers 2xx, with growing pauses (1 s to 1 min),
//           again every `alert_repeat` while it fires, and once more when it is over. What fired is
//           kept in the log, so that a restart still tells that it is over.
#pragma once

#include <memory>
#include <string>

#include "base/metrics.h"
#include "collector/conditions.h"
#include "collector/engine.h"

namespace isochrone::collector {

class Watch {
 public:
  // All three outlive it.
  Watch(Engine& engine, const EventLog& log, const Options& options);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // {"conditions":[..]}: each rule and its alerts, as of the last look.
  std::string to_json() const;
  void measure(Metrics& metrics) const;
  // New rules, another receiver.
  void reconfigure(const Options& options);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isochrone::collector
