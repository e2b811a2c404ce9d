// SPDX-License-Identifier: Apache-2.0
#include "prober/round.h"

#include <algorithm>
#include <utility>

namespace isochrone::prober {

void Round::begin(const Shape& shape, std::vector<std::uint32_t> slots, Random& random,
                  Monotonic now) {
  shape_ = shape;
  shape_.passes = std::max(1U, shape.passes);
  ++number_;
  started_ = now;
  is_stretched_ = false;
  joined_.clear();
  urgent_.clear();
  order_ = std::move(slots);
  for (std::size_t i = order_.size(); i > 1; --i) {  // Fisher-Yates
    std::swap(order_[i - 1], order_[random.below(i)]);
  }
  begin_pass(0, now);
}

void Round::join(std::uint32_t slot) {
  urgent_.push_back(slot);
  joined_.push_back(slot);
}

void Round::begin_pass(unsigned pass, Monotonic start) {
  pass_ = pass;
  pass_start_ = start;
  position_ = 0;
  order_.insert(order_.end(), joined_.begin(), joined_.end());
  joined_.clear();
  const Nanos planned = shape_.interval / shape_.passes;
  const Nanos needed = shape_.gap * static_cast<std::int64_t>(order_.size());
  pass_length_ = std::max(planned, needed);
  is_stretched_ = is_stretched_ || needed > planned;
}

Monotonic Round::turn_time(std::size_t position) const {
  // In floating point: nanoseconds times targets would overflow 64 bits; 53 bits are exact enough.
  const double share = static_cast<double>(position) / static_cast<double>(order_.size());
  return pass_start_ +
         Nanos(static_cast<std::int64_t>(share * static_cast<double>(pass_length_.count())));
}

bool Round::has_ended(Monotonic now) const {
  return pass_ + 1 == shape_.passes && position_ == order_.size() && now >= pass_end();
}

std::optional<std::uint32_t> Round::next(Monotonic now) {
  if (!urgent_.empty()) {
    const std::uint32_t slot = urgent_.front();
    urgent_.pop_front();
    return slot;
  }
  while (position_ == order_.size() && pass_ + 1 < shape_.passes && now >= pass_end()) {
    begin_pass(pass_ + 1, pass_end());
  }
  if (position_ == order_.size() || now < turn_time(position_)) return std::nullopt;
  return order_[position_++];
}

Monotonic Round::due() const {
  if (!urgent_.empty()) return Monotonic::min();
  return position_ == order_.size() ? pass_end() : turn_time(position_);
}

}  // namespace isochrone::prober
