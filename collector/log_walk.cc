// SPDX-License-Identifier: Apache-2.0
#include "collector/log_walk.h"

#include <fmt/format.h>

#include "event/codec.h"

namespace isochrone::collector {
namespace {

constexpr std::size_t kPage = 10'000;

Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

Result<void> LogWalk::each(event::Channel channel, event::Position after, event::Position until,
                           const Take& take) {
  while (after < until) {
    if (!goes_on_()) return fail(Errc::unavailable, "the collector is stopping; ask again");
    const Page page = log_.read(channel, after, kPage);
    for (const StoredBytes& stored : page.events) {
      if (stored.position > until) return {};
      if (++events_ > kMaxEvents) {
        return fail(Errc::limit,
                    fmt::format("more than {} events would have to be read; ask for a shorter "
                                "interval, or keep less of {} with collector.keep",
                                kMaxEvents, event::to_string(channel)));
      }
      const auto event = event::from_protobuf(as_bytes(stored.event));
      if (event) take(*event, stored.position);
    }
    if (page.is_at_end) return {};
    after = page.scanned;
  }
  return {};
}

std::optional<Instant> time_at(const EventLog& log, event::Channel channel, event::Position from) {
  const Page page = log.read(channel, from == 0 ? 0 : from - 1, 1);
  if (page.events.empty()) return std::nullopt;
  const auto event = event::from_protobuf(as_bytes(page.events.front().event));
  return event ? std::optional(event->time) : std::nullopt;
}

}  // namespace isochrone::collector
