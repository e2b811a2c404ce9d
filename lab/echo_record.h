// SPDX-License-Identifier: Apache-2.0
//
// EchoRecord: what delay each ICMP echo really had on a node's device, by the kernel's own stamps.
//
// A packet socket sees what leaves and enters the device; the kernel stamps both there, before and after the
// emulator with its wake-ups. So the delay is what the packet got and not what it was to get, and whoever measures
// from inside the node is off by what lies between this and what it says.
//
// Cost:    about 3 us of CPU for each packet. Memory: 40 bytes for each echo without an answer.
// Limits:  kMaxOpen of those; more are not recorded and counted.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/ip.h"
#include "base/result.h"
#include "base/time.h"

namespace isochrone::lab {

class EchoRecord {
 public:
  static constexpr std::size_t kMaxOpen = 1'000'000;

  struct Answered {
    Address address;
    Nanos delay;
  };
  // An IP packet that passed the device `at`; an echo that it answers.
  std::optional<Answered> see(Bytes packet, bool is_leaving, Instant at);

  std::vector<Address> unanswered() const;  // in no order
  std::uint64_t sent() const noexcept { return sent_; }
  std::uint64_t not_recorded() const noexcept { return not_recorded_; }

 private:
  struct Echo {
    Address address;
    std::uint32_t name;  // identifier and sequence number
    friend bool operator==(const Echo&, const Echo&) = default;
  };
  struct Hash {
    std::size_t operator()(const Echo& echo) const noexcept {
      return std::hash<Address>{}(echo.address) ^ (std::size_t{echo.name} << 32);
    }
  };
  std::unordered_map<Echo, Instant, Hash> open_;
  std::uint64_t sent_ = 0;
  std::uint64_t not_recorded_ = 0;
};

struct RecordSummary {
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;
  std::uint64_t missed = 0;  // packets that the kernel had no room for, echoes beyond kMaxOpen
};

// Until SIGINT or SIGTERM: a line for each answered echo, address and delay in nanoseconds; then one for each that
// was not answered, with -1. Errors: no device of that name here, no right to packet sockets, the file.
Result<RecordSummary> record_echoes(const std::string& device, const std::filesystem::path& file);

}  // namespace isochrone::lab
