// SPDX-License-Identifier: Apache-2.0
//
// Follower: one thread that reads a channel by long polls and resumes where it was.
#include <fmt/format.h>

#include <atomic>
#include <bit>
#include <optional>
#include <thread>
#include <utility>

#include "base/bell.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "event/backoff.h"
#include "event/client.h"
#include "event/codec.h"

namespace isochrone::event {
namespace {

constexpr std::size_t kLimit = 1'000;
constexpr Seconds kWait{30};
// The collector answers a long poll within kWait; what comes 10 s later than that comes no more.
constexpr Millis kTimeout{kWait + Seconds(10)};
// The first poll after (re)connecting does not wait: whether we are caught up is news by itself.
constexpr Millis kFirstTimeout{10'000};
// A DNS node is stale while it pauses, and one request per second and node is no load.
constexpr Millis kFirstPause{100};
constexpr Millis kLongestPause{1'000};
// Between polls without events, so that a collector that does not wait is not polled in a spin.
constexpr Millis kEmptyPause{20};
// A collector that has less of the log than another one had is behind, for the moment. When none of so
// many answers, some ten seconds, has as much, it is the log that lost its end.
constexpr unsigned kBehind = 12;

}  // namespace

struct Follower::Impl {
  Impl(HttpAccess collector, Channel followed)
      : has_others(!collector.others.empty()), channel(followed), client(std::move(collector)) {}

  void run();
  Result<void> poll();
  Result<Batch> read(const HttpReply& reply);
  Result<void> read_events(std::string_view body, Batch& batch);
  void tell_connected(bool is_connected, std::string_view why);

  // Constant after construction.
  const bool has_others;
  const Channel channel;
  std::function<void(Batch)> handle;
  std::function<void(bool)> connected;

  // Owned by the thread, but for client.cancel().
  HttpClient client;
  Backoff backoff{kFirstPause, kLongestPause, random_u64()};
  std::string log_id;
  Position after = 0;
  unsigned behind = 0;  // answers, in a row
  std::optional<bool> was_connected;
  std::uint64_t unreadable = 0;

  // Shared.
  std::atomic<bool> is_stopping{false};
  Bell stop;
  std::thread thread;
};

void Follower::Impl::run() {
  while (!is_stopping.load()) {
    const auto polled = poll();
    if (is_stopping.load()) return;
    if (polled) continue;
    tell_connected(false, polled.error().text());
    client.turn_to_next();
    stop.wait(backoff.next());
  }
}

Result<void> Follower::Impl::poll() {
  const bool is_first = !was_connected.value_or(false);
  const std::string path =
      fmt::format("/v1/channels/{}/events?after={}&limit={}&wait={}s", to_string(channel), after,
                  kLimit, is_first ? 0 : kWait.count());
  const auto reply =
      client.get(path, is_first ? kFirstTimeout : kTimeout, "application/x-protobuf");
  if (!reply) return tl::unexpected(reply.error());
  auto batch = read(*reply);
  if (!batch) return tl::unexpected(batch.error().within(client.url() + path));
  const bool is_behind = batch->log_id == log_id && batch->position < after;
  behind = is_behind ? behind + 1 : 0;
  if (has_others && is_behind && behind < kBehind) {
    return fail(Errc::unavailable, client.url() + " is behind in the log");
  }
  backoff.reset();
  tell_connected(true, {});
  // Another log, or one that lost its end (a collector restored from an older disk): what we know
  // is not its past, so this page is dropped and the next begins at its beginning.
  if ((batch->log_id != log_id && after > 0) || batch->position < after) {
    log_warning(fmt::format("collector has another log, following restarts channel={} log={}",
                            to_string(channel), batch->log_id));
    log_id = batch->log_id;
    after = 0;
    return {};
  }
  log_id = batch->log_id;
  after = batch->position;
  const bool is_empty = batch->events.empty();
  if (!is_stopping.load()) handle(std::move(*batch));
  if (is_empty) stop.wait(kEmptyPause);
  return {};
}

Result<Follower::Batch> Follower::Impl::read(const HttpReply& reply) {
  if (reply.status != 200) {
    return fail(Errc::unavailable,
                fmt::format("status {}: {}", reply.status, trim(reply.body).substr(0, 500)));
  }
  const auto position = parse_number<Position>(reply.header("x-isochrone-position"));
  Batch batch;
  batch.log_id = reply.header("x-isochrone-log");
  if (!position || batch.log_id.empty()) {
    return fail(Errc::invalid, "the reply has no X-Isochrone-Log or X-Isochrone-Position header");
  }
  batch.position = *position;
  if (auto events = read_events(reply.body, batch); !events) return tl::unexpected(events.error());
  return batch;
}

// An event that this version cannot read is skipped: a newer collector's news must not stop us.
Result<void> Follower::Impl::read_events(std::string_view body, Batch& batch) {
  Bytes rest(reinterpret_cast<const std::uint8_t*>(body.data()), body.size());
  std::size_t count = 0;
  for (; !rest.empty(); ++count) {
    const auto message = next_delimited(rest);
    if (!message) return tl::unexpected(message.error());
    auto stored = stored_from_protobuf(*message);
    if (stored && stored->event.channel() == channel) {
      batch.events.push_back(std::move(*stored));
    } else if (std::has_single_bit(++unreadable)) {  // at each power of two
      log_warning(fmt::format("event skipped channel={} skipped_total={} why=\"{}\"",
                              to_string(channel), unreadable,
                              stored ? "of another channel" : stored.error().text()));
    }
  }
  batch.caught_up = count < kLimit;
  return {};
}

void Follower::Impl::tell_connected(bool is_connected, std::string_view why) {
  if (was_connected == is_connected) return;
  const bool is_news = was_connected.has_value();
  was_connected = is_connected;
  if (!is_connected) {
    log_warning(fmt::format("collector does not answer channel={} url={} why=\"{}\"",
                            to_string(channel), client.url(), why));
  } else if (is_news) {
    log_info(
        fmt::format("collector answers again channel={} url={}", to_string(channel), client.url()));
  }
  if (connected) connected(is_connected);
}

Follower::Follower(HttpAccess collector, Channel channel, std::string log_id, Position after,
                   std::function<void(Batch)> handle, std::function<void(bool)> connected)
    : impl_(std::make_unique<Impl>(std::move(collector), channel)) {
  impl_->log_id = std::move(log_id);
  impl_->after = after;
  impl_->handle = std::move(handle);
  impl_->connected = std::move(connected);
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

Follower::~Follower() {
  impl_->is_stopping.store(true);
  impl_->client.cancel();
  impl_->stop.ring();
  impl_->thread.join();
}

}  // namespace isochrone::event
