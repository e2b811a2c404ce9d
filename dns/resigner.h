// SPDX-License-Identifier: Apache-2.0
//
// Resigner: signs zones again before signatures expire and when keys change, beside everything else.
//
// Threads:  owns one that does nothing else; every member may be called from any other thread.
// Timing:   when something falls due, at most once a pass interval (a thousandth of the time between
//           making and renewing), once an hour to see what became of the key files, and as soon as the
//           wall clock was set.
// Failures: a zone whose keys cannot be read goes on with those it had; said once, tried again every
//           minute.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/guarded.h"
#include "base/time.h"
#include "dns/signed_zones.h"
#include "dns/task_thread.h"

namespace isochrone::dns {

class Resigner {
 public:
  using Signed = std::shared_ptr<const SignedZones>;
  struct Inputs {
    std::shared_ptr<const ZoneSet> zones;
    std::vector<ZonePolicy> policies;
    Signed signatures;  // made from them
  };
  struct Status {
    std::uint64_t passes = 0;
    std::uint64_t failures = 0;  // passes in which a zone could not be signed
    std::uint64_t clock_steps = 0;
  };

  // `take` gets what was made, in this thread, and drops it when its zones are no longer served.
  Resigner(Inputs inputs, std::function<void(Signed)> take);
  ~Resigner();

  // Takes other zones; what was being made for the old ones is still handed over.
  void replace(Inputs inputs);
  // The newest signatures, to be kept where zones are loaded again.
  Signed current() const {
    return current_.with([](const Signed& now) { return now; });
  }
  Status status() const {
    return status_.with([](const Status& now) { return now; });
  }

 private:
  class Signer;
  Guarded<Signed> current_;
  Guarded<Status> status_;
  TaskThread thread_;
  std::unique_ptr<Signer> signer_;  // lives in the thread
};

}  // namespace isochrone::dns
