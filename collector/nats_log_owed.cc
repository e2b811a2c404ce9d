// SPDX-License-Identifier: Apache-2.0
//
// NatsLog, where the stream lost what it had acknowledged: the replica that still has it is set aside, and what is
// in that alone is owed to those it was acknowledged to.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/log.h"
#include "collector/intake.h"
#include "collector/nats_log_impl.h"
#include "event/codec.h"

namespace isochrone::collector {
namespace {

// The stream ends before what was read of it for so long: no leader that was cut off says so any more.
constexpr Millis kShort{5'000};
// Looked at in one go.
constexpr std::size_t kPage = 1'000;
// Where so many one after the other are in the stream, so is what is older.
constexpr std::size_t kKnown = 20'000;

// What a collector says itself it says anew.
bool is_own(const event::Event& event) {
  const auto* health = std::get_if<event::Health>(&event.payload);
  return health != nullptr && health->origin == event::HealthOrigin::collector;
}

}  // namespace

bool NatsLog::is_short_for_long() {
  const auto now = Clock::now();
  if (!short_since_) short_since_ = now;
  return now - *short_since_ >= kShort;
}

// Whether the stream still ends with what is believed to be its end.
Result<bool> NatsLog::has_word() {
  const auto message = nats_->get(mark_, true);
  if (!message) return tl::unexpected(message.error());
  const auto part = *message ? read_part(**message) : fail(Errc::invalid, "none");
  return part && word_ && part->commit == word_->id && part->part == word_->part;
}

// The server does not know our last word by its name: it forgets that when it starts again, or others' words are
// there.
std::optional<Error> NatsLog::look_at_word() {
  const auto is_there = has_word();
  if (!is_there) return is_there.error();
  if (*is_there) {
    word_.reset();
    return std::nullopt;
  }
  return confirm_word();
}

// That the stream has our last word, or what others wrote in its place was taken.
std::optional<Error> NatsLog::confirm_word() {
  for (const bool is_first : {true, false}) {
    const auto is_there = word_ ? has_word() : Result<bool>(true);
    if (!is_there) return is_there.error();
    if (*is_there) return std::nullopt;
    if (!is_first) break;
    if (auto failed = take_what_replaced_ours()) return failed;
  }
  return Error(Errc::stale, fmt::format("the stream {} has lost what it acknowledged, others "
                                        "wrote in its place",
                                        options_.stream));
}

// A leader that is cut off, or a disk, may lose what was acknowledged, and others then write in its place. Where
// we believe our own words lie, somebody else's may: read once more, they are all there is to what is missing.
std::optional<Error> NatsLog::take_what_replaced_ours() {
  std::size_t replaced = 0;
  for (const auto& [sequence, id] : said_) {
    const auto message = nats_->get(sequence);
    if (!message) return message.error();
    const auto part = *message ? read_part(**message) : fail(Errc::invalid, "none");
    if (!part || part->commit == id) continue;
    auto commit = assembly_.add(**message);
    if (sequence == mark_) word_ = Nats::Word{part->commit, part->part};
    ++replaced;
    if (!commit || !*commit) continue;
    if (auto failed = absorb(std::move(**commit))) return failed;
  }
  said_.clear();
  if (replaced == 0) return std::nullopt;
  log_warning(
      fmt::format("the stream lost what it had acknowledged, what others wrote in its place is "
                  "taken stream={} messages={}",
                  options_.stream, replaced));
  return std::nullopt;
}

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

std::optional<Error> NatsLog::keep_other(const std::string& log_id) {
  std::filesystem::path other = folder_;
  other += ".of-" + log_id;
  std::error_code error;
  std::filesystem::remove_all(other, error);
  std::filesystem::rename(folder_, other, error);
  if (error) return fail_errno("cannot set aside " + folder_.string(), error.value()).value();
  log_warning("the replica of another stream is kept, remove it when that is not missed folder=" +
              other.string());
  return std::nullopt;
}

// The oldest first, so that what is still owed after a failure is at the end again.
std::vector<event::Event> NatsLog::owed(std::size_t most) {
  std::vector<event::Event> owed;
  is_aside_unread_ = false;
  for (std::size_t number = 0; std::filesystem::exists(aside(number)); ++number) {
    const auto before = RocksDbLog::open(aside(number));
    if (!before) {
      is_aside_unread_ = true;
      log_warning(before.error().within("what was set aside of the event log").text());
      continue;
    }
    for (std::size_t i = 0; i < event::kChannels; ++i) {
      auto of_channel = owed_of(**before, static_cast<event::Channel>(i));
      std::move(of_channel.begin(), of_channel.end(), std::back_inserter(owed));
    }
  }
  if (owed.size() > most) owed.resize(most);
  return owed;
}

// Looked for from the end back, until many in a row are known; what is older than the stream keeps was given
// up, not lost.
std::vector<event::Event> NatsLog::owed_of(const RocksDbLog& before, event::Channel channel) const {
  std::vector<std::vector<event::Event>> pages;
  if (!may_post(channel)) return {};
  const event::Position first = replica_->first(channel);
  const event::Position kept = first > 0 ? first - 1 : 0;
  std::size_t known_in_a_row = 0;
  for (event::Position end = before.last(channel); end > kept && known_in_a_row < kKnown;) {
    const event::Position from = std::max(end > kPage ? end - kPage : 0, kept);
    std::vector<event::Event>& page = pages.emplace_back();
    for (const StoredBytes& stored : before.read(channel, from, end - from, {}).events) {
      const auto* data = reinterpret_cast<const std::uint8_t*>(stored.event.data());
      auto event = event::from_protobuf({data, stored.event.size()});
      if (!event || is_own(*event)) continue;
      if (replica_->find(event->id)) {
        ++known_in_a_row;
        continue;
      }
      known_in_a_row = 0;
      page.push_back(std::move(*event));
    }
    end = from;
  }
  std::vector<event::Event> owed;
  for (auto page = pages.rbegin(); page != pages.rend(); ++page) {
    std::move(page->begin(), page->end(), std::back_inserter(owed));
  }
  return owed;
}

// What could not be read stays for another life.
void NatsLog::settle() {
  if (is_aside_unread_) return;
  for (std::size_t number = 0; std::filesystem::exists(aside(number)); ++number) {
    std::error_code error;
    std::filesystem::remove_all(aside(number), error);
  }
}

}  // namespace isochrone::collector
