// SPDX-License-Identifier: Apache-2.0
//
// The command `isochrone replay`: what a past interval would have been with other sites or another
// configuration, from the event log through the collector's API, or from its folder while that is down.
#include "collector/replay.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <deque>
#include <functional>

#include "app/api.h"
#include "app/commands.h"
#include "app/config.h"
#include "app/replay_report.h"
#include "base/loop.h"
#include "base/text.h"
#include "collector/log_rocksdb.h"
#include "event/codec.h"

namespace isochrone::app {
namespace {

using collector::EventLog;
using collector::Replay;
using collector::ReplaySetup;
using event::Channel;
using event::StoredEvent;

constexpr std::size_t kPage = 10'000;
// What the two courses are computed from.
constexpr std::array kChannels{Channel::measurement, Channel::health, Channel::demand,
                               Channel::decision};
const std::filesystem::path kDefaultConfig = "/etc/isochrone/isochrone.yaml";

std::atomic<bool> is_interrupted{false};

Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// One channel from some moment on, a page at a time.
class Reader {
 public:
  using Fetch = std::function<Result<std::vector<StoredEvent>>(event::Position after)>;

  explicit Reader(Fetch fetch) : fetch_(std::move(fetch)) {}

  // The next event without taking it; null at the end. Valid until the next call.
  Result<const StoredEvent*> peek() {
    if (waiting_.size() < 2 && !is_at_end_) {
      auto page = fetch_(after_);
      if (!page) return tl::unexpected(page.error());
      is_at_end_ = page->empty();
      if (!is_at_end_) after_ = page->back().position;
      for (StoredEvent& each : *page) waiting_.push_back(std::move(each));
    }
    return waiting_.empty() ? nullptr : &waiting_.front();
  }
  // When the front happened; not later than the one behind it, so that a single clock that is ahead
  // does not carry all with it.
  Instant time() const {
    const Instant front = waiting_.front().event.time;
    return waiting_.size() < 2 ? front : std::min(front, waiting_[1].event.time);
  }
  StoredEvent take() {
    StoredEvent taken = std::move(waiting_.front());
    waiting_.pop_front();
    return taken;
  }

 private:
  Fetch fetch_;
  std::deque<StoredEvent> waiting_;
  event::Position after_ = 0;
  bool is_at_end_ = false;
};

struct Source {
  std::string where;  // for people
  std::vector<Reader> readers;
  std::shared_ptr<Api> api;  // what the readers use
  std::shared_ptr<const EventLog> log;
};

Result<std::vector<StoredEvent>> page_of(Api& api, Channel channel, event::Position after,
                                         Nanos since) {
  // An interval only for the first page: later ones go on where that ended.
  const std::string from = after > 0 ? fmt::format("after={}", after)
                                     : fmt::format("since={}s", since.count() / 1'000'000'000 + 1);
  auto body = api.get(
      fmt::format("/v1/channels/{}/events?limit={}&{}", event::to_string(channel), kPage, from));
  if (!body) return tl::unexpected(body.error());
  std::vector<StoredEvent> events;
  for (const std::string_view line : split(*body, '\n')) {
    if (trim(line).empty()) continue;
    auto stored = event::stored_from_json(line);
    if (!stored) return tl::unexpected(stored.error().within("the collector's answer"));
    events.push_back(std::move(*stored));
  }
  return events;
}

std::vector<StoredEvent> page_of(const EventLog& log, Channel channel, event::Position after) {
  std::vector<StoredEvent> events;
  while (events.empty()) {
    const collector::Page page = log.read(channel, after, kPage);
    for (const collector::StoredBytes& stored : page.events) {
      auto event = event::from_protobuf(as_bytes(stored.event));
      if (event) events.push_back({stored.position, std::move(*event)});
    }
    if (page.is_at_end) break;
    after = page.scanned;
  }
  return events;
}

Source from_log(std::shared_ptr<const EventLog> log, const std::filesystem::path& folder,
                Instant since) {
  Source source{folder.string(), {}, nullptr, log};
  for (const Channel channel : kChannels) {
    const event::Position start = log->before(channel, since);
    source.readers.emplace_back(
        [log, channel, start](event::Position after) -> Result<std::vector<StoredEvent>> {
          return page_of(*log, channel, std::max(after, start));
        });
  }
  return source;
}

Source from_api(Api opened, const std::string& url, Instant since) {
  Source source{url, {}, std::make_shared<Api>(std::move(opened)), nullptr};
  const Nanos ago = Loop().wall() - since;
  for (const Channel channel : kChannels) {
    source.readers.emplace_back([api = source.api, channel, ago](event::Position after) {
      return page_of(*api, channel, after, ago);
    });
  }
  return source;
}

// The API, unless a folder is named or the collector of this configuration is down.
Result<Source> open_source(const ReplayArguments& arguments, const Config& config, Instant since) {
  const auto open_log = [&](const std::filesystem::path& folder) -> Result<Source> {
    auto log = collector::read_rocksdb_log(folder);
    if (!log) return tl::unexpected(log.error());
    return from_log(std::move(*log), folder, since);
  };
  if (!arguments.log.empty()) return open_log(arguments.log);
  const auto access = collector_address(arguments.api);
  if (!access) return tl::unexpected(access.error());
  auto api = Api::open(arguments.api);
  if (!api) return tl::unexpected(api.error());
  const auto alive = api->get("/healthz");
  if (alive) return from_api(std::move(*api), access->url, since);
  const auto folder = config.node.state_dir / "log";
  if (!arguments.api.collector.empty() || !config.node.has_collector ||
      !std::filesystem::exists(folder)) {
    return tl::unexpected(alive.error());
  }
  fmt::print(stderr, "isochrone: the collector at {} does not answer; reading {}\n", access->url,
             folder.string());
  return open_log(folder);
}

Result<ReplaySetup> setup_of(const Config& config) {
  ReplaySetup setup{config.collector, config.topology, nullptr};
  if (!setup.options.geo_database.empty()) {
    auto map = routing::GeoPrior::load(setup.options.geo_database);
    if (!map) return tl::unexpected(map.error());
    setup.map = std::make_shared<const routing::GeoPrior>(std::move(*map));
  }
  return setup;
}

class Progress {
 public:
  Progress(Instant start, Instant until) : start_(start), until_(until) {}
  ~Progress() { clear(); }
  void show(Instant now) {
    if (!is_watched_ || ++calls_ % kPage != 0) return;
    const double share = std::chrono::duration<double>(now - start_) / (until_ - start_);
    fmt::print(stderr, "\r{} {:3.0f} %  ", format_instant(now), std::clamp(share, 0.0, 1.0) * 100);
  }
  void clear() const {
    if (is_watched_) fmt::print(stderr, "\r{:45}\r", "");
  }

 private:
  Instant start_;
  Instant until_;
  std::size_t calls_ = 0;
  bool is_watched_ = ::isatty(STDERR_FILENO) == 1;
};

// The events of all channels in the order of their times.
Result<void> play(Source& source, Replay& replay, Instant start, Instant until) {
  Progress progress(start, until);
  while (true) {
    if (is_interrupted.load()) return fail(Errc::unavailable, "interrupted; nothing was changed");
    Reader* first = nullptr;
    for (Reader& reader : source.readers) {
      const auto front = reader.peek();
      if (!front) return tl::unexpected(front.error());
      if (*front == nullptr) continue;
      if (first == nullptr || reader.time() < first->time()) first = &reader;
    }
    if (first == nullptr) return {};
    const Instant time = first->time();
    const StoredEvent next = first->take();
    progress.show(time);
    replay.take(next.event, next.position, time);
  }
}

// A time, or how long ago.
Result<Instant> moment(const std::string& option, const std::string& text, Instant now) {
  if (const auto ago = parse_duration(text)) return now - *ago;
  if (const auto at = parse_instant(text)) return *at;
  return fail(Errc::invalid, fmt::format("{} {}: neither a duration like 2h nor a time like "
                                         "2026-05-01T12:00:00Z",
                                         option, text));
}

}  // namespace

Result<std::string> replay_between(const Config& config, const Config& other,
                                   const ReplayArguments& arguments) {
  const Instant now = Loop().wall();
  const auto since = moment("--since", arguments.since, now);
  if (!since) return tl::unexpected(since.error());
  const auto until =
      arguments.until.empty() ? Result<Instant>(now) : moment("--until", arguments.until, now);
  if (!until) return tl::unexpected(until.error());
  if (*until <= *since)
    return fail(Errc::invalid, "--until is not after --since; nothing lies between");
  auto before = setup_of(config);
  if (!before) return tl::unexpected(before.error());
  auto after = setup_of(other);
  if (after) after = collector::without_sites(std::move(*after), arguments.without_sites);
  if (!after) return tl::unexpected(after.error());
  // What was known when the interval began was measured in the lifetime of a path before.
  const Instant start = *since - Nanos(config.collector.path_lifetime);
  ReplayArguments located = arguments;
  located.api.config = config.file;
  auto source = open_source(located, config, start);
  if (!source) return tl::unexpected(source.error());
  Replay replay(*before, *after, *since, *until);
  if (auto played = play(*source, replay, start, *until); !played) {
    return tl::unexpected(played.error());
  }
  const auto report = replay.report();
  if (report.demands + report.decisions == 0) {
    return fail(
        Errc::not_found,
        "no demand or decision events in that interval: no query to weigh; ask for another, "
        "or look what is kept with `isochrone show channels`");
  }
  return arguments.json ? replay_as_json(report, source->where, *since, *until)
                        : replay_as_text(report, source->where, *since, *until);
}

int replay_command(const ReplayArguments& arguments) {
  // Between two events; a second one ends it at once.
  struct sigaction once {};
  once.sa_handler = [](int) { is_interrupted.store(true); };
  once.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &once, nullptr);
  const auto config =
      load_config(arguments.api.config.empty() ? kDefaultConfig : arguments.api.config);
  if (!config) return complain(config.error().front());
  const auto other = arguments.config.empty() ? config : load_config(arguments.config);
  if (!other) return complain(other.error().front());
  const auto text = replay_between(*config, *other, arguments);
  if (!text) return complain(text.error());
  fmt::print("{}", *text);
  return 0;
}

}  // namespace isochrone::app
