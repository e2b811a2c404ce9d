// SPDX-License-Identifier: Apache-2.0
//
// TapBacklog: data frames of Frame Streams on their way out, and how far they have got.
//
// Format:   before each payload its length, four octets, the highest first.
// Limits:   is_full() from kFull on; one frame more always fits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace isochrone::dns {

class TapBacklog {
 public:
  // A second of a slow disk, 100 ms of a slow network: what is written at once.
  static constexpr std::size_t kFull = std::size_t{256} << 10;

  // To write the payload of one more frame into.
  MutableBytes add(std::size_t octets);
  bool is_empty() const noexcept { return gone_ == octets_.size(); }
  bool is_full() const noexcept { return octets_.size() >= kFull; }

  Bytes rest() const noexcept { return Bytes(octets_).subspan(gone_); }
  // So much of rest() has gone; how many frames are whole by that.
  std::size_t took(std::size_t octets);
  // A frame of which a part has gone begins again: on another stream.
  void rewind() noexcept;

 private:
  std::vector<std::uint8_t> octets_;
  std::vector<std::size_t> ends_;  // of the frames
  std::size_t gone_ = 0;           // of the octets
  std::size_t whole_ = 0;          // of the frames
};

}  // namespace isochrone::dns
