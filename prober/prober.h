// SPDX-License-Identifier: Apache-2.0
//
// Prober: the role that sends packets towards client networks and reports what came back.
//
// Threads:   owns its own; every member here may be called from one controlling thread.
// Needs:     CAP_NET_RAW; start() says so when it is missing.
#pragma once

#include <memory>
#include <string>

#include "base/metrics.h"
#include "base/result.h"
#include "prober/options.h"

namespace isochrone::prober {

class Prober {
 public:
  static Result<std::unique_ptr<Prober>> start(const Options& options);
  ~Prober();

  // Sends no more, and delivers what is known for at most a second. What was counted can still be
  // measured; the destructor does the same.
  void stop();

  Result<void> reload(const Options& options);
  void measure(Metrics& metrics) const;
  std::string status_json() const;

 private:
  Prober();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isochrone::prober
