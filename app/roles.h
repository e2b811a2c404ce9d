// SPDX-License-Identifier: Apache-2.0
//
// Roles: the parts of one node, wired together as its configuration says.
//
// Threads:   one controlling thread calls everything here; the parts own theirs.
// Order:     collector, dns, prober; they end in the opposite order, so that the last demand and
//            measurements still reach the collector of this process.
// Failures:  start and reload are all or nothing; every error is returned.
// Hand-over: one process goes and another comes, in these steps: the one that comes prepares, serves
//            DNS on the sockets of the other, which then stands by and releases the rest; the first
//            takes that over, and the other drains its connections. Until then the one that stands by
//            can resume.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"
#include "base/fd.h"
#include "base/metrics.h"
#include "base/result.h"
#include "dns/inheritance.h"

namespace isochrone::app {

template <class T>
using Checked = tl::expected<T, std::vector<Error>>;

// An address where HTTP is served, as configured and as bound.
struct HttpPlace {
  Endpoint asked;
  Endpoint bound;
};
// What the one that comes may count on, before it gets the descriptors.
struct Offer {
  std::optional<HttpPlace> collector;
  std::optional<HttpPlace> http;
};
struct Estate {
  dns::Inheritance dns;
  Fd collector;  // listening
  Fd http;
};

class Roles {
 public:
  static Checked<std::unique_ptr<Roles>> start(const Config& config);
  ~Roles();

  // Takes a new configuration; when a part refuses it, all go on with the one they had.
  Checked<void> reload(const Config& config);
  // Called by another thread when the collector has to begin anew, and what does that.
  void set_collector_is_stale(std::function<void()> tell);
  Checked<void> begin_collector_anew();
  // A dnstap file that was moved away is followed by another.
  void reopen_logs();
  // One zone from its file; when anything is wrong, nothing changes.
  Checked<void> reload_zone(std::string_view zone);

  // The one that comes. Nothing that the other needs is touched before take_over().
  static Checked<std::unique_ptr<Roles>> prepare(const Config& config, const Offer& offer);
  Checked<void> serve_dns(Estate& estate);
  Checked<void> take_over(Estate& estate);
  // What the other counted is part of the metrics from now on; replaces what was said before.
  void set_earlier(Metrics::Counters counters);

  // The one that goes. drained() is called from another thread.
  Offer offer() const;
  void save();
  Estate estate() const;
  void stand_by();  // and releases
  void release();   // ends all but dns
  Metrics::Counters counters() const;
  // From here on as the one that came has counted, which goes again.
  void take_counters_back(const Metrics::Counters& counters);
  Checked<void> resume();  // dns at once; call it again while it returns errors
  void drain(std::function<void()> drained);

  // What it does and where it listens, as key=value: the ready line.
  std::string describe() const;

 private:
  Roles();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What differs between two configurations and cannot be changed while running.
std::vector<Error> needs_restart(const Config& running, const Config& next);

}  // namespace isochrone::app
