// SPDX-License-Identifier: Apache-2.0
//
// NatsLog, where the stream lost what it had acknowledged: the replica that still has it is set aside, and what is
// in that alone is owed to those it was acknowledged to.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "collector/intake.h"
#include "collector/nats_log_impl.h"
#include "event/codec.h"

namespace isochrone::collector {
namespace {

// Looked at in one go; where all of them are in the stream, so is what is older.
constexpr std::size_t kPage = 1'000;

// What a collector says itself it says anew.
bool is_own(const event::Event& event) {
  const auto* health = std::get_if<event::Health>(&event.payload);
  return health != nullptr && health->origin == event::HealthOrigin::collector;
}

}  // namespace

std::filesystem::path NatsLog::aside(std::size_t number) const {
  std::filesystem::path path = folder_;
  return path += fmt::format(".aside{}", number);
}

// What it has and the stream has lost is owed.
std::optional<Error> NatsLog::set_aside() {
  std::size_t number = 0;
  while (std::filesystem::exists(aside(number))) ++number;
  std::error_code error;
  std::filesystem::rename(folder_, aside(number), error);
  if (!error) return std::nullopt;
  return fail_errno("cannot set aside " + folder_.string(), error.value()).value();
}

std::vector<event::Event> NatsLog::owed(std::size_t most) {
  std::vector<event::Event> owed;
  for (std::size_t number = 0; std::filesystem::exists(aside(number)); ++number) {
    const auto before = RocksDbLog::open(aside(number));
    if (!before) {
      log_warning(before.error().within("what was set aside of the event log").text());
      continue;
    }
    for (std::size_t i = 0; i < event::kChannels; ++i) {
      add_owed(**before, static_cast<event::Channel>(i), most, owed);
    }
  }
  return owed;
}

// From the end back, until all there is known; what is older than the stream keeps was given up, not lost.
void NatsLog::add_owed(const RocksDbLog& before, event::Channel channel, std::size_t most,
                       std::vector<event::Event>& owed) const {
  if (!may_post(channel)) return;
  const event::Position first = replica_->first(channel);
  const event::Position kept = first > 0 ? first - 1 : 0;
  for (event::Position end = before.last(channel); end > kept;) {
    const event::Position from = std::max(end > kPage ? end - kPage : 0, kept);
    bool is_all_known = true;
    for (const StoredBytes& stored : before.read(channel, from, end - from, {}).events) {
      const auto* data = reinterpret_cast<const std::uint8_t*>(stored.event.data());
      auto event = event::from_protobuf({data, stored.event.size()});
      if (!event || is_own(*event) || replica_->find(event->id)) continue;
      is_all_known = false;
      if (owed.size() < most) owed.push_back(std::move(*event));
    }
    if (is_all_known) return;
    end = from;
  }
}

void NatsLog::settle() {
  for (std::size_t number = 0; std::filesystem::exists(aside(number)); ++number) {
    std::error_code error;
    std::filesystem::remove_all(aside(number), error);
  }
}

}  // namespace isochrone::collector
