// SPDX-License-Identifier: Apache-2.0
//
// Round: whose turn it is: every target once per pass, in a permuted order, spread over the pass.
//
// A round is probes_per_round passes over one permutation of the targets, so that the probes of a
// target lie a whole pass apart. A target that joins goes first at once and then last in each pass.
// Threads:   a value of the prober's loop. No clock: `now` comes in.
// Cost:      begin() O(targets); next() O(1).
// Invariant: a pass never asks for more than the pacer's gap allows; it lasts longer instead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/random.h"
#include "base/time.h"

namespace isochrone::prober {

class Round {
 public:
  struct Shape {
    Nanos interval{0};
    unsigned passes = 1;
    Nanos gap{0};  // the least time between two sends
  };

  // Starts round number() + 1 with these targets.
  void begin(const Shape& shape, std::vector<std::uint32_t> slots, Random& random, Monotonic now);

  // Probed as soon as the pacer allows, then once in every pass that is left.
  void join(std::uint32_t slot);
  // One more turn as soon as the pacer allows.
  void again(std::uint32_t slot) { urgent_.push_back(slot); }

  // The target whose turn has come, if any; each call hands out one turn.
  std::optional<std::uint32_t> next(Monotonic now);
  // Whose turn comes `ahead` turns later in this pass.
  std::optional<std::uint32_t> upcoming(std::size_t ahead) const noexcept {
    if (position_ + ahead >= order_.size()) return std::nullopt;
    return order_[position_ + ahead];
  }
  // When the next turn comes; the end of the round when none is left in it.
  Monotonic due() const;
  bool is_over(Monotonic now) const { return urgent_.empty() && has_ended(now); }

  // How far turns lie apart.
  Nanos spacing() const noexcept {
    return pass_length_ / static_cast<std::int64_t>(order_.empty() ? 1 : order_.size());
  }

  std::uint32_t number() const noexcept { return number_; }
  Monotonic started() const noexcept { return started_; }
  // Whether this round needs more than its interval.
  bool is_stretched() const noexcept { return is_stretched_; }

 private:
  bool has_ended(Monotonic now) const;
  void begin_pass(unsigned pass, Monotonic start);
  Monotonic turn_time(std::size_t position) const;
  Monotonic pass_end() const { return pass_start_ + pass_length_; }

  Shape shape_;
  std::uint32_t number_ = 0;
  Monotonic started_{};
  bool is_stretched_ = false;
  std::vector<std::uint32_t> order_;
  std::vector<std::uint32_t> joined_;  // appended to the order with the next pass
  std::deque<std::uint32_t> urgent_;
  unsigned pass_ = 0;
  Monotonic pass_start_{};
  Nanos pass_length_{0};
  std::size_t position_ = 0;
};

}  // namespace isochrone::prober
