// SPDX-License-Identifier: Apache-2.0
#include "dns/tap_backlog.h"

#include "base/endian.h"

namespace isochrone::dns {

MutableBytes TapBacklog::add(std::size_t octets) {
  constexpr std::size_t kLength = sizeof(std::uint32_t);
  const std::size_t begin = octets_.size();
  octets_.resize(begin + kLength + octets);
  ends_.push_back(octets_.size());
  store_be(octets_.data() + begin, static_cast<std::uint32_t>(octets));
  return MutableBytes(octets_).subspan(begin + kLength);
}

std::size_t TapBacklog::took(std::size_t octets) {
  gone_ += octets;
  const std::size_t before = whole_;
  while (whole_ < ends_.size() && ends_[whole_] <= gone_) ++whole_;
  const std::size_t frames = whole_ - before;
  if (is_empty()) {
    octets_.clear();
    ends_.clear();
    gone_ = whole_ = 0;
  }
  return frames;
}

void TapBacklog::rewind() noexcept { gone_ = whole_ == 0 ? 0 : ends_[whole_ - 1]; }

}  // namespace isochrone::dns
