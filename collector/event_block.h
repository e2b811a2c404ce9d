// SPDX-License-Identifier: Apache-2.0
//
// EventBlock: events of one channel as the log stores them together, each with its own checksum.
//
// What arrives together is stored together: one key and one write for up to kMaxEvents events,
// where one each would cost ten times as much. A flipped bit still costs one event, not a block.
//
// Format:  octet 1 (the version); then per event, numbers big-endian: u32 CRC-32C of all that
//          follows of it · u32 octets of the event · u8 channel · u64 position · the event, Protobuf
// Errors:  a reader skips what its checksum refuses and goes on at the next event that is whole.
// Threads: values; a reader borrows the bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "event/event.h"

namespace isochrone::collector {

class BlockWriter {
 public:
  // About what one post brings, so that a reader of few events reads few others.
  static constexpr std::size_t kMaxEvents = 1'024;
  static constexpr std::size_t kMaxBytes = 256 * 1'024;

  explicit BlockWriter(event::Channel channel) : channel_(channel) {}

  bool is_empty() const noexcept { return events_ == 0; }
  bool is_full() const noexcept { return events_ >= kMaxEvents || bytes_.size() >= kMaxBytes; }
  void add(event::Position position, std::string_view event);
  const std::string& bytes() const noexcept { return bytes_; }

 private:
  event::Channel channel_;
  std::size_t events_ = 0;
  std::string bytes_{"\x01"};
};

class BlockReader {
 public:
  BlockReader(std::string_view block, event::Channel channel);

  // Moves to the next event; false at the end.
  bool next();
  event::Position position() const noexcept { return position_; }
  std::string_view event() const noexcept { return event_; }
  // Whether something was skipped so far.
  bool is_damaged() const noexcept { return is_damaged_; }

 private:
  bool take();

  std::string_view rest_;
  event::Channel channel_;
  event::Position position_ = 0;
  std::string_view event_;
  bool is_damaged_ = false;
};

}  // namespace isochrone::collector
