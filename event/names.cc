// SPDX-License-Identifier: Apache-2.0
#include "event/names.h"

#include <algorithm>
#include <array>

namespace isochrone::event {
namespace {

// Each table is in the order of its enum: the index is the value.
constexpr std::array<std::string_view, kChannels> kChannelNames{
    "measurement", "demand", "health", "load", "state", "target", "decision"};
constexpr std::array<std::string_view, 6> kMethodNames{"icmp", "tcp",     "dns",
                                                       "hop",  "passive", "beacon"};
constexpr std::array<std::string_view, 3> kStatusNames{"up", "down", "draining"};
constexpr std::array<std::string_view, 3> kOriginNames{"prober", "collector", "operator"};

template <class Enum, std::size_t N>
std::optional<Enum> find_in(const std::array<std::string_view, N>& names, std::string_view name) {
  const auto at = std::find(names.begin(), names.end(), name);
  if (at == names.end()) return std::nullopt;
  return static_cast<Enum>(at - names.begin());
}

template <class Enum, std::size_t N>
std::string_view name_in(const std::array<std::string_view, N>& names, Enum value) {
  const auto index = static_cast<std::size_t>(value);
  return index < N ? names[index] : std::string_view("unknown");
}

}  // namespace

std::string_view to_string(Channel channel) { return name_in(kChannelNames, channel); }
std::optional<Channel> parse_channel(std::string_view name) {
  return find_in<Channel>(kChannelNames, name);
}

std::string_view method_name(routing::Method method) { return name_in(kMethodNames, method); }
std::optional<routing::Method> parse_method(std::string_view name) {
  return find_in<routing::Method>(kMethodNames, name);
}

std::string_view to_string(HealthStatus status) { return name_in(kStatusNames, status); }
std::optional<HealthStatus> parse_health_status(std::string_view name) {
  return find_in<HealthStatus>(kStatusNames, name);
}

std::string_view to_string(HealthOrigin origin) { return name_in(kOriginNames, origin); }
std::optional<HealthOrigin> parse_health_origin(std::string_view name) {
  return find_in<HealthOrigin>(kOriginNames, name);
}

}  // namespace isochrone::event
