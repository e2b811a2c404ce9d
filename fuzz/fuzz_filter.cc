// SPDX-License-Identifier: Apache-2.0
//
// Any text is refused with a column inside it, or read, and what is read says the same when it is read
// again and can be asked about every kind of event.
#include <cstdlib>
#include <string>

#include "base/text.h"
#include "collector/filter.h"

namespace {

using namespace isochrone;

std::vector<event::Event> one_of_each() {
  const Prefix prefix(Address::v4(192, 0, 2, 0), 24);
  std::vector<event::Payload> payloads{
      event::Measurement{"fra", prefix, routing::Method::icmp, Micros(20'000)},
      event::Measurement{"fra", prefix, routing::Method::tcp, std::nullopt},
      event::Demand{"www.example.com", prefix, Address::v4(192, 0, 2, 53), 7, Millis(1'000)},
      event::Health{"fra", event::HealthStatus::up, event::HealthOrigin::prober, "why"},
      event::Load{"fra", 1, 2},
      event::State{prefix, 3, {}, {}},
      event::Target{prefix, {}, {}, Seconds(1), 4},
      event::DecisionSample{}};
  std::vector<event::Event> events;
  for (auto& payload : payloads) {
    events.push_back({{"prober-fra", 1, 1}, Instant{}, "task", std::move(payload), {}});
  }
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<event::Event> events = one_of_each();
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto filter = collector::Filter::parse(text);
  if (!filter) {
    const std::string& error = filter.error().text();
    const auto colon = error.find(':');
    if (!error.starts_with("column ") || colon == std::string::npos) std::abort();
    const auto column = parse_number<std::size_t>(std::string_view(error).substr(7, colon - 7));
    if (!column || *column < 1 || *column > size + 1) std::abort();
    return 0;
  }
  const auto again = collector::Filter::parse(filter->text());
  if (!again) std::abort();
  for (const event::Event& event : events) {
    if (filter->matches(event) != again->matches(event)) std::abort();
  }
  return 0;
}
