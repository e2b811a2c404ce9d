// SPDX-License-Identifier: Apache-2.0
//
// Roles: the parts of one node, wired together as its configuration says.
//
// Threads:   one controlling thread calls everything here; the parts own theirs.
// Order:     collector, dns, prober; they end in the opposite order, so that the last demand and
//            measurements still reach the collector of this process.
// Failures:  start and reload are all or nothing; every error is returned.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/config.h"
#include "base/result.h"

namespace isochrone::app {

template <class T>
using Checked = tl::expected<T, std::vector<Error>>;

class Roles {
 public:
  static Checked<std::unique_ptr<Roles>> start(const Config& config);
  ~Roles();

  // Takes a new configuration; when a part refuses it, all go on with the one they had.
  Checked<void> reload(const Config& config);

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
