// SPDX-License-Identifier: Apache-2.0
//
// Any line is refused or read, and what is read says the same when it is written and read again.
#include <cstdlib>

#include "event/check.h"
#include "event/codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace isochrone::event;
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  for (std::size_t i = 0; i < kChannels; ++i) {
    const auto channel = static_cast<Channel>(i);
    const auto first = from_json(line, channel);
    if (!first) continue;
    if (first->channel() != channel || !check(*first)) std::abort();
    // Writing rounds times to microseconds, so the second reading is the fixed point; and it may
    // need more bytes than the first (numbers and escapes spelled out), which may be too many.
    const std::string text = to_json(*first);
    if (text.size() > kMaxEventBytes) continue;
    const auto second = from_json(text, channel);
    if (!second || to_json(*second) != text) std::abort();
  }
  static_cast<void>(stored_from_json(line));
  return 0;
}
