// SPDX-License-Identifier: Apache-2.0
#include "collector/event_block.h"

#include <array>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "event/codec.h"

namespace isochrone::collector {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kSumBytes = 4;
constexpr std::size_t kHeadBytes = kSumBytes + 4 + 1 + 8;

const std::uint8_t* data(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

}  // namespace

void BlockWriter::add(event::Position position, std::string_view event) {
  const std::size_t start = bytes_.size();
  bytes_.resize(start + kHeadBytes + event.size());
  auto* head = reinterpret_cast<std::uint8_t*>(bytes_.data() + start);
  ByteWriter out({head, kHeadBytes + event.size()});
  out.u32(0);
  out.u32(static_cast<std::uint32_t>(event.size()));
  out.u8(static_cast<std::uint8_t>(channel_));
  out.u64(position);
  out.put({data(event), event.size()});
  store_be(head, crc32c(Bytes(head + kSumBytes, kHeadBytes - kSumBytes + event.size())));
  ++events_;
}

BlockReader::BlockReader(std::string_view block, event::Channel channel)
    : rest_(block), channel_(channel) {
  if (rest_.empty() || rest_.front() != kVersion) is_damaged_ = true;
  if (!rest_.empty()) rest_.remove_prefix(1);
}

bool BlockReader::next() {
  while (!rest_.empty()) {
    if (take()) return true;
    // What was flipped may be a size: look for a whole event at every octet that follows.
    is_damaged_ = true;
    rest_.remove_prefix(1);
  }
  return false;
}

// The event at the start of the rest, when it is whole.
bool BlockReader::take() {
  ByteReader in(Bytes(data(rest_), rest_.size()));
  const std::uint32_t sum = in.u32();
  const std::size_t size = in.u32();
  const std::uint8_t channel = in.u8();
  const event::Position position = in.u64();
  if (!in.ok() || size > in.remaining()) return false;
  // Also before the checksum, which would be dear to take at every octet.
  if (channel != static_cast<std::uint8_t>(channel_) || position <= position_) return false;
  const std::size_t whole = kHeadBytes + size;
  if (crc32c(Bytes(data(rest_) + kSumBytes, whole - kSumBytes)) != sum) return false;
  position_ = position;
  event_ = rest_.substr(kHeadBytes, size);
  rest_.remove_prefix(whole);
  return true;
}

}  // namespace isochrone::collector
