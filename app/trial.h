// SPDX-License-Identifier: Apache-2.0
//
// Trial: a configuration that the running process takes for a while, and gives back unless it is confirmed.
//
// The file that the process was started with is not touched: a process that crashes, restarts or is replaced
// meanwhile reads that one, so an unconfirmed configuration never survives it. Who confirms replaces the file
// first, then tells the process; should it not come to that, a file that has the candidate's text confirms it.
//
// Threads:  belongs to the loop's thread.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "app/config.h"
#include "app/roles.h"
#include "base/loop.h"

namespace isochrone::app {

class Trial {
 public:
  // Takes a configuration as a whole, or says what is wrong and changes nothing.
  using Take = std::function<Checked<void>(const Config&)>;
  struct Status {
    std::filesystem::path file;  // that was read
    std::string digest;          // SHA-256 of its text, hexadecimal
    Nanos left{0};
  };

  // `place`: the file whose configuration a candidate is to replace.
  Trial(Loop& loop, std::filesystem::path place, Take take);

  bool is_on() const noexcept { return status_.has_value(); }
  Checked<void> begin(const std::filesystem::path& candidate, Nanos patience,
                      const Config& running);
  // The candidate stays; it is what the file has by now.
  Checked<void> confirm();
  // What ran before runs again.
  Checked<void> undo();
  // Of the one that is on; nothing without.
  std::optional<Status> status() const;

 private:
  void expire();
  Checked<void> give_back();
  bool is_in_place(const std::string& digest) const;

  Loop& loop_;
  const std::filesystem::path place_;
  Take take_;
  std::optional<Status> status_;
  std::optional<Config> before_;
  Monotonic deadline_{};
  Timer timer_;
};

}  // namespace isochrone::app
