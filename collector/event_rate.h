// SPDX-License-Identifier: Apache-2.0
//
// EventRate: how many events a second one source may post, over any longer time.
//
// Threads: any.
// Rule:    a batch is taken whole while its source owes nothing; what it has beyond the rate is owed,
//          and paid off as time goes by. So no batch is too large to be ever taken, and the mean holds.
// Limits:  kMaxAccounts sources that owe; those that do not are forgotten.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/guarded.h"
#include "base/time.h"

namespace isochrone::collector {

// Of addresses, where there are no tokens; more at once is a flood, and then the others wait too.
constexpr std::size_t kMaxAccounts = 10'000;

class EventRate {
 public:
  // Events a second; 0: any number.
  explicit EventRate(std::uint64_t rate) : rate_(rate) {}

  // How long `source` has to wait until it may post; zero: it may now.
  Nanos wait(std::string_view source, Monotonic now);
  void charge(std::string_view source, std::size_t events, Monotonic now);
  void set_rate(std::uint64_t rate);

 private:
  using Accounts = std::map<std::string, Monotonic, std::less<>>;
  std::atomic<std::uint64_t> rate_;
  Guarded<Accounts> paid_at_;  // when what a source has posted is paid off
};

}  // namespace isochrone::collector
