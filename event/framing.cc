// SPDX-License-Identifier: Apache-2.0
//
// Batches of codec.h: messages one after the other, each preceded by its size.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "event/codec.h"

namespace isochrone::event {
namespace {

void append_varint(std::string& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) to.push_back(static_cast<char>(value | 0x80));
  to.push_back(static_cast<char>(value));
}

}  // namespace

void append_delimited(std::string& batch, const Event& event) {
  const std::string bytes = stored_form(event);
  append_varint(batch, bytes.size());
  batch += bytes;
}

void append_delimited(std::string& batch, const StoredEvent& stored) {
  const std::string event = to_protobuf(stored.event);
  append_delimited(batch, stored.position,
                   Bytes(reinterpret_cast<const std::uint8_t*>(event.data()), event.size()));
}

void append_delimited(std::string& batch, Position position, Bytes event) {
  // StoredEvent by hand: field 1 a varint, field 2 the event's bytes as they are.
  std::string head("\x08");
  append_varint(head, position);
  head.push_back('\x12');
  append_varint(head, event.size());
  append_varint(batch, head.size() + event.size());
  batch += head;
  batch.append(reinterpret_cast<const char*>(event.data()), event.size());
}

Result<Bytes> next_delimited(Bytes& batch) {
  // Five bytes hold 35 bits, more than any body has: a longer size is none.
  constexpr std::size_t kSizeBytes = 5;
  std::size_t size = 0;
  std::size_t used = 0;
  bool is_whole = false;
  while (!is_whole && used < std::min(batch.size(), kSizeBytes)) {
    const std::uint8_t byte = batch[used];
    size |= std::size_t{byte & 0x7fU} << (7 * used);
    ++used;
    is_whole = (byte & 0x80) == 0;
  }
  const Bytes rest = std::exchange(batch, Bytes{});
  if (!is_whole) {
    return fail(Errc::invalid, used == kSizeBytes ? "a size has at most five bytes"
                                                  : "the batch is cut short in a size");
  }
  const bool is_within = size <= rest.size() - used;
  if (is_within) batch = rest.subspan(used + size);
  if (size > kMaxStoredBytes) {
    return fail(Errc::limit, fmt::format("an event has at most {} bytes", kMaxEventBytes));
  }
  if (!is_within) return fail(Errc::invalid, "the batch is cut short in an event");
  return rest.subspan(used, size);
}

}  // namespace isochrone::event
