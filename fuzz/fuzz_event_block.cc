// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a block of events: what is read lies in them, in order, and is read again once written;
// and a block that is written is read whole, one flipped bit costs at most one of its events.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/event_block.h"

using namespace isochrone;
using collector::BlockReader;
using collector::BlockWriter;

namespace {

using Events = std::vector<std::pair<event::Position, std::string>>;

void require(bool condition) {
  if (!condition) std::abort();
}

std::string written(event::Channel channel, const Events& events) {
  BlockWriter writer(channel);
  for (const auto& [position, event] : events) writer.add(position, event);
  return writer.bytes();
}

Events read(std::string_view block, event::Channel channel, bool& is_damaged) {
  BlockReader reader(block, channel);
  Events events;
  event::Position before = 0;
  while (reader.next()) {
    require(reader.position() > before);
    before = reader.position();
    const std::string_view event = reader.event();
    require(event.data() >= block.data() &&
            event.data() + event.size() <= block.data() + block.size());
    events.emplace_back(reader.position(), event);
  }
  require(!reader.next());
  is_damaged = reader.is_damaged();
  return events;
}

// The input cut into events, each as long as its first octet says; turned, so that none holds a whole
// event of the format, which would be found in it once it is damaged.
Events cut(std::string_view input) {
  Events events;
  event::Position position = 0;
  while (!input.empty()) {
    const auto size = static_cast<unsigned char>(input.front());
    input.remove_prefix(1);
    position += 1 + size % 3U;
    std::string event(input.substr(0, size));
    input.remove_prefix(event.size());
    for (char& octet : event) octet = static_cast<char>(~octet);
    events.emplace_back(position, std::move(event));
  }
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const auto channel = static_cast<event::Channel>(data[0] % event::kChannels);
  const std::size_t where = data[1] | std::size_t{data[2]} << 8;
  const std::string_view input(reinterpret_cast<const char*>(data + 3), size - 3);

  bool is_damaged = false;
  const Events found = read(input, channel, is_damaged);
  require(read(written(channel, found), channel, is_damaged) == found);
  require(!is_damaged);

  const Events events = cut(input);
  std::string block = written(channel, events);
  require(read(block, channel, is_damaged) == events);
  require(!is_damaged);
  block[where % block.size()] ^= static_cast<char>(1U << (where % 8));
  const Events rest = read(block, channel, is_damaged);
  require(is_damaged);
  require(rest.size() + 1 >= events.size());
  return 0;
}
