// SPDX-License-Identifier: Apache-2.0
//
// HopSearch: which hop limit meets the last router of a path that answers.
//
// Halves the range between the furthest hop that answered and the nearest one that did not; then looks
// kBeyond hops further, because routers that stay silent may lie between two that speak.
// Threads:   a value of the prober's loop. No clock.
// Cost:      4 bytes; at most 5 + kBeyond probes, and kBeyond more for each silent router stepped over.
#pragma once

#include <algorithm>
#include <cstdint>

namespace isochrone::prober {

class HopSearch {
 public:
  // Few paths of the Internet are longer than 30 hops; traceroute stops there too.
  static constexpr std::uint8_t kMaxHops = 30;
  static constexpr std::uint8_t kBeyond = 3;

  bool has_begun() const noexcept { return near_ != 0 || far_ != kMaxHops + 1; }
  // The last hop is known: every probe goes there.
  bool is_found() const noexcept { return near_ != 0 && is_over(); }
  // All was tried; without is_found() no hop answers.
  bool is_over() const noexcept { return is_final_ || beyond_ == kBeyond; }

  // The hop limit to try next, or the one found.
  std::uint8_t ttl() const noexcept {
    if (is_over()) return std::max<std::uint8_t>(near_, 1);
    if (!has_met()) return static_cast<std::uint8_t>((near_ + far_) / 2);
    return static_cast<std::uint8_t>(near_ + 1 + beyond_);
  }

  // `is_final`: no hop lies behind this one.
  void answered(std::uint8_t ttl, bool is_final) noexcept {
    if (ttl < near_) return;
    if (ttl > near_) beyond_ = 0;
    near_ = ttl;
    if (far_ <= near_) far_ = static_cast<std::uint8_t>(near_ + 1);
    is_final_ = is_final;
    stop_at_the_end();
  }
  void lost(std::uint8_t ttl) noexcept {
    if (is_over() || ttl <= near_) return;
    if (!has_met()) {
      far_ = std::min(far_, ttl);
    } else {
      ++beyond_;
    }
    stop_at_the_end();
  }

 private:
  bool has_met() const noexcept { return far_ <= near_ + 1; }
  void stop_at_the_end() noexcept {
    if (has_met() && near_ + 1 + beyond_ > kMaxHops) beyond_ = kBeyond;
  }

  std::uint8_t near_ = 0;            // the furthest hop that answered
  std::uint8_t far_ = kMaxHops + 1;  // the nearest one that did not
  std::uint8_t beyond_ = 0;          // of the hops behind both, looked at in vain
  bool is_final_ = false;
};

}  // namespace isochrone::prober
