// SPDX-License-Identifier: Apache-2.0
//
// Poster: events wait in a bounded buffer; one thread takes them in order and posts them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <deque>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "base/bell.h"
#include "base/counter.h"
#include "base/guarded.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "event/backoff.h"
#include "event/client.h"
#include "event/codec.h"

namespace isochrone::event {
namespace {

// A group commit of 1000 costs the collector one fsync; 50 ms is well under the two seconds that
// lie between a measurement and a changed answer.
constexpr std::size_t kBatchEvents = 1'000;
constexpr Millis kLinger{50};
// Keeps a batch of large events under the collector's body limit (8 MiB) with room to spare.
constexpr std::size_t kBatchBytes = 1 << 20;
constexpr Millis kPostTimeout{10'000};
constexpr Millis kFirstPause{100};
constexpr Millis kLongestPause{5'000};
constexpr Millis kFarewell{1'000};  // how long the destructor waits for the last delivery
constexpr Millis kIdle{60'000};     // a ring ends it; the bound only keeps poll() finite

// How many of a batch the collector refused for their content, and what it said of the first.
struct Rejections {
  std::size_t count = 0;
  std::string first;
};

Rejections rejections_in(const std::string& body) {
  using nlohmann::json;
  const json reply = json::parse(body, nullptr, false);
  if (!reply.is_object() || !reply.contains("rejected")) return {};
  const json& rejected = reply["rejected"];
  if (!rejected.is_array() || rejected.empty()) return {};
  const json& first = rejected.front();
  const bool has_text = first.is_object() && first.contains("error") && first["error"].is_string();
  return {rejected.size(), has_text ? first["error"].get<std::string>() : std::string()};
}

// Whether the same bytes will meet this again. A token may become known, or get another role; but what
// it was that was refused, and not the token, stays refused.
bool is_final(const HttpReply& reply) {
  constexpr std::array kFinal{200, 400, 404, 409, 413, 415, 422};
  if (reply.status == 403) return rejections_in(reply.body).count > 0;
  return std::find(kFinal.begin(), kFinal.end(), reply.status) != kFinal.end();
}

}  // namespace

struct Poster::Impl {
  struct Waiting {
    Instant time;
    std::string task;
    Payload payload;
  };

  Impl(HttpAccess collector, std::string source_name, std::uint64_t start)
      : source(std::move(source_name)),
        epoch(start),
        client(std::move(collector)),
        backoff(kFirstPause, kLongestPause, random_u64()) {}

  void run();
  std::vector<Event> take();
  void deliver(Channel channel, const std::vector<Event>& events);
  void send(Channel channel, const std::string& body, std::size_t count);
  bool settle(Channel channel, const Result<HttpReply>& reply, std::size_t count);
  void tell_reachable(bool is_reachable, std::string_view why);
  void tell_rejected(Channel channel, std::size_t count, std::string_view why);

  // Constant after construction.
  const std::string source;
  const std::uint64_t epoch;

  // Owned by the thread, but for client.cancel().
  HttpClient client;
  Backoff backoff;
  std::uint64_t sequence = 0;
  bool was_reachable = true;

  // Shared: counters are raised by the thread, or by whoever posts.
  Guarded<std::deque<Waiting>> buffer;
  std::atomic<std::uint64_t> posted{0};
  std::atomic<std::uint64_t> dropped{0};
  Counter acknowledged;
  Counter failures;
  Counter rejected;
  std::atomic<bool> is_stopping{false};   // deliver what waits, then end
  std::atomic<bool> is_cancelled{false};  // end
  Bell work;
  Bell stop;
  Bell finished;
  std::thread thread;
};

void Poster::Impl::run() {
  while (!is_cancelled.load()) {
    const std::vector<Event> events = take();
    for (std::size_t i = 0; i < kChannels && !events.empty(); ++i) {
      deliver(static_cast<Channel>(i), events);
    }
    if (!events.empty()) continue;
    if (is_stopping.load()) break;
    if (work.wait(kIdle) && !is_stopping.load()) work.wait(kLinger);
  }
  finished.ring();
}

// The oldest events that wait. Only here an event gets its sequence, so that what is dropped from
// the buffer leaves no gap for the collector to remember.
std::vector<Event> Poster::Impl::take() {
  std::vector<Waiting> taken;
  buffer.with([&](std::deque<Waiting>& waiting) {
    const auto end =
        waiting.begin() + static_cast<std::ptrdiff_t>(std::min(waiting.size(), kBatchEvents));
    taken.assign(std::make_move_iterator(waiting.begin()), std::make_move_iterator(end));
    waiting.erase(waiting.begin(), end);
  });
  std::vector<Event> events;
  events.reserve(taken.size());
  for (Waiting& next : taken) {
    events.push_back(
        {{source, epoch, ++sequence}, next.time, std::move(next.task), std::move(next.payload)});
  }
  return events;
}

void Poster::Impl::deliver(Channel channel, const std::vector<Event>& events) {
  std::string body;
  std::size_t count = 0;
  for (const Event& event : events) {
    if (event.channel() != channel) continue;
    append_delimited(body, event);
    ++count;
    if (body.size() < kBatchBytes) continue;
    send(channel, body, std::exchange(count, 0));
    body.clear();
  }
  if (count > 0) send(channel, body, count);
}

// Again and again until it is settled, or nobody waits for it any more.
void Poster::Impl::send(Channel channel, const std::string& body, std::size_t count) {
  const std::string path = fmt::format("/v1/channels/{}/events", to_string(channel));
  while (!is_cancelled.load()) {
    const auto reply = client.post(path, "application/x-protobuf", body, kPostTimeout);
    if (settle(channel, reply, count)) return;
    failures.add();
    client.turn_to_next();
    // Stopping ends a pause; after that little time is left, so the pauses stay short.
    stop.wait(is_stopping.load() ? kFirstPause : backoff.next());
  }
}

bool Poster::Impl::settle(Channel channel, const Result<HttpReply>& reply, std::size_t count) {
  if (!reply || !is_final(*reply)) {
    tell_reachable(false, reply ? fmt::format("status {}", reply->status) : reply.error().text());
    return false;
  }
  tell_reachable(true, {});
  backoff.reset();
  if (reply->status != 200) {
    tell_rejected(channel, count, fmt::format("status {}: {}", reply->status, trim(reply->body)));
    return true;
  }
  const Rejections rejections = rejections_in(reply->body);
  const std::size_t refused = std::min(rejections.count, count);
  acknowledged.add(count - refused);
  if (refused > 0) tell_rejected(channel, refused, rejections.first);
  return true;
}

void Poster::Impl::tell_reachable(bool is_reachable, std::string_view why) {
  if (std::exchange(was_reachable, is_reachable) == is_reachable || is_cancelled.load()) return;
  if (is_reachable) {
    log_info(fmt::format("collector takes events again source={} url={}", source, client.url()));
  } else {
    log_warning(fmt::format("collector takes no events, they wait source={} url={} why=\"{}\"",
                            source, client.url(), why));
  }
}

void Poster::Impl::tell_rejected(Channel channel, std::size_t count, std::string_view why) {
  const std::uint64_t before = rejected.value();
  rejected.add(count);
  // At each power of two: the first at once, a flood in a few dozen lines.
  if (std::bit_width(before) == std::bit_width(rejected.value())) return;
  log_warning(
      fmt::format("collector rejected events source={} channel={} rejected_total={} why=\"{}\"",
                  source, to_string(channel), rejected.value(), why.substr(0, 500)));
}

Poster::Poster(HttpAccess collector, std::string source, std::uint64_t epoch)
    : impl_(std::make_unique<Impl>(std::move(collector), std::move(source), epoch)) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

Poster::~Poster() {
  impl_->is_stopping.store(true);
  impl_->work.ring();
  impl_->stop.ring();
  if (!impl_->finished.wait(kFarewell)) {
    impl_->is_cancelled.store(true);
    impl_->client.cancel();
    impl_->stop.ring();
  }
  impl_->thread.join();
}

void Poster::post(Payload payload, Instant time, std::string task) {
  impl_->posted.fetch_add(1, std::memory_order_relaxed);
  bool is_dropped = false;
  const std::size_t size = impl_->buffer.with([&](std::deque<Impl::Waiting>& waiting) {
    is_dropped = waiting.size() >= kMaxBufferedEvents;
    if (is_dropped) waiting.pop_front();
    waiting.push_back({time, std::move(task), std::move(payload)});
    return waiting.size();
  });
  if (is_dropped) impl_->dropped.fetch_add(1, std::memory_order_relaxed);
  // The first ends the sleep, a full batch ends the linger.
  if (size == 1 || size == kBatchEvents) impl_->work.ring();
}

Poster::Stats Poster::stats() const {
  return {impl_->posted.load(), impl_->acknowledged.value(), impl_->dropped.load(),
          impl_->failures.value(), impl_->rejected.value()};
}

}  // namespace isochrone::event
