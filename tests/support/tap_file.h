// SPDX-License-Identifier: Apache-2.0
//
// TapFrames: a Frame Stream of dnstap read back, by no code of the server's but its schema.
#pragma once

#include <dnstap.pb.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace isochrone::test {

struct TapFrames {
  std::vector<dnstap::Dnstap> messages;
  bool has_started = false;
  bool has_stopped = false;
  bool is_whole = true;  // not an octet more or less than frames, each of them a message

  std::size_t of(dnstap::Message::Type type) const {
    std::size_t count = 0;
    for (const dnstap::Dnstap& each : messages) count += each.message().type() == type ? 1U : 0U;
    return count;
  }
};

inline TapFrames tap_frames(const std::string& octets) {
  TapFrames frames;
  std::size_t at = 0;
  const auto has = [&](std::size_t count) { return octets.size() - at >= count; };
  const auto number = [&] {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(octets[at++]);
    return value;
  };
  while (has(4)) {
    std::size_t length = number();
    const bool is_control = length == 0;
    if (is_control) length = has(4) ? number() : ~std::size_t{0};
    if (!has(length)) break;
    const std::string payload = octets.substr(at, length);
    at += length;
    if (is_control) {
      frames.has_started |= payload.substr(0, 4) == std::string("\0\0\0\2", 4);
      frames.has_stopped |= payload == std::string("\0\0\0\3", 4);
    } else {
      frames.is_whole &= frames.messages.emplace_back().ParseFromString(payload);
    }
    frames.is_whole &= frames.has_started;
    if (frames.has_stopped) break;
  }
  frames.is_whole &= at == octets.size();
  return frames;
}

inline TapFrames tap_frames_in(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return tap_frames({std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()});
}

}  // namespace isochrone::test
