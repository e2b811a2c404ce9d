// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/scene.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>

#include "base/bytes.h"
#include "base/http_client.h"
#include "base/text.h"
#include "collector/core.h"
#include "event/codec.h"
#include "event/convert.h"

namespace isochrone::test {

using std::chrono::milliseconds;

namespace {

constexpr Millis kTimeout{20'000};
// More than the window and its lateness.
constexpr std::int64_t kUntilClosed = 1'200;

const event::State& state_of(const event::Event& event) {
  return std::get<event::State>(event.payload);
}

}  // namespace

unsigned fault_rounds() {
  const char* text = std::getenv("ISOCHRONE_FAULT_ROUNDS");
  return text == nullptr ? 2 : parse_number<unsigned>(text).value_or(2);
}

void pass_some_time(Random& random, std::chrono::microseconds at_most) {
  const auto most = static_cast<std::uint64_t>(at_most.count());
  std::this_thread::sleep_for(std::chrono::microseconds(random.below(most)));
}

void report(std::string_view fault, const Findings& all) {
  fmt::print("{}\n", all.to_string(fault));
  EXPECT_TRUE(all.is_clean()) << all.to_string(fault);
  EXPECT_GT(all.acknowledged, 0U);
}

Scene::Scene(std::uint64_t seed, const std::string& settings)
    : shift_(world_.path("shift")), random_(seed) {
  std::filesystem::create_directory(state_dir());
  config_ =
      world_.write("collector.yaml",
                   fmt::format("node: {{name: c1, state-dir: state}}\n"
                               "collector: {{listen: 127.0.0.1@0, window: 2s, lateness: 10m{}}}\n",
                               settings) +
                       World::topology());
  for (const char* site : {"fra", "iad", "sin"}) {
    senders_.emplace_back(site, random_(), history_, [this] { return now(); });
  }
}

Instant Scene::now() const { return std::chrono::system_clock::now() + Seconds(shift_.seconds()); }

bool Scene::start(const std::function<void()>& prepare) {
  daemon_.reset();
  daemon_ = std::make_unique<Daemon>(config_, [&] {
    shift_.preload(ISOCHRONE_SHIFTED_CLOCK);
    if (prepare) prepare();
  });
  if (!daemon_->is_ready()) {
    ADD_FAILURE() << daemon_->log();
    return false;
  }
  turn_to({daemon_->collector_url()});
  return true;
}

void Scene::post(unsigned batches) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < senders_.size(); ++i) {
    threads.emplace_back([this, i, batches] {
      for (unsigned n = 0; n < batches && senders_[i].post(urls_[i % urls_.size()]); ++n) {
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void Scene::post_while(const std::function<void()>& happen) {
  std::atomic<bool> is_over{false};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < senders_.size(); ++i) {
    threads.emplace_back([this, i, &is_over] {
      for (std::size_t at = i; !is_over.load();) {
        if (senders_[i].post(urls_[at % urls_.size()])) continue;
        ++at;
        // Not a storm of connections to one that is gone.
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
  }
  happen();
  is_over.store(true);
  for (std::thread& thread : threads) thread.join();
}

bool Scene::flush(milliseconds patience) {
  std::size_t at = 0;
  return eventually(
      [&] {
        ++at;
        return std::all_of(senders_.begin(), senders_.end(),
                           [&](Sender& sender) { return sender.flush(urls_[at % urls_.size()]); });
      },
      patience);
}

std::vector<event::StoredEvent> Scene::read(std::string_view channel) const {
  HttpClient client(url_);
  std::vector<event::StoredEvent> events;
  event::Position after = 0;
  while (true) {
    const auto reply =
        client.get(fmt::format("/v1/channels/{}/events?after={}&limit=10000", channel, after),
                   kTimeout, "application/x-protobuf");
    if (!reply || reply->status != 200) {
      ADD_FAILURE() << "cannot read " << channel;
      return events;
    }
    Bytes rest(reinterpret_cast<const std::uint8_t*>(reply->body.data()), reply->body.size());
    if (rest.empty()) return events;
    while (!rest.empty()) {
      const auto bytes = event::next_delimited(rest);
      auto stored = bytes ? event::stored_from_protobuf(*bytes)
                          : Result<event::StoredEvent>(tl::unexpected(bytes.error()));
      if (!stored) {
        ADD_FAILURE() << stored.error().text();
        return events;
      }
      after = stored->position;
      events.push_back(std::move(*stored));
    }
  }
}

// What the core makes of the events in an order of its own.
Scene::States Scene::replayed(const std::vector<event::StoredEvent>& log) {
  const auto config = app::load_config(config_);
  EXPECT_TRUE(config.has_value());
  collector::Core core(config->collector, config->topology, 1);
  std::vector<event::Event> events;
  for (const event::StoredEvent& stored : log) events.push_back(stored.event);
  for (std::size_t i = events.size(); i > 1; --i) {
    std::swap(events[i - 1], events[random_.below(i)]);
  }
  const std::vector<event::Position> positions(events.size(), 1);
  core.apply(events, positions, now());
  core.advance(now());
  States states;
  for (const auto& [prefix, known] : core.state().prefixes()) {
    states.emplace(prefix, event::to_event(known, config->topology));
  }
  return states;
}

Scene::States Scene::stored() const {
  States states;
  for (const event::StoredEvent& each : read("state")) {
    const event::State& state = state_of(each.event);
    states.insert_or_assign(state.prefix, state);
  }
  return states;
}

// Networks whose newest state event, or whose paths, are not what is expected.
std::uint64_t Scene::differences(const States& expected, const std::set<Prefix>& forget) {
  std::uint64_t count = 0;
  const States states = stored();
  std::map<std::pair<std::string, std::string>, nlohmann::json> paths;
  for (const auto& path : get_json(url_, "/v1/paths").value("paths", nlohmann::json::array())) {
    paths[{path["prefix"], path["site"]}] = path;
  }
  for (const auto& [prefix, state] : expected) {
    if (forget.contains(prefix)) continue;
    const auto found = states.find(prefix);
    // A decision that time alone brought says the state again: when that came, the events do not tell.
    bool is_same = found != states.end() && found->second.paths == state.paths &&
                   found->second.preferences == state.preferences &&
                   found->second.version >= state.version;
    for (const event::State::Path& path : state.paths) {
      const auto& shown = paths[{prefix.to_string(), path.site}];
      is_same = is_same && shown.is_object() && shown["p50_us"] == path.estimate.p50.count() &&
                shown["samples"] == path.estimate.samples &&
                shown["loss_permille"] == path.estimate.loss_permille;
    }
    if (is_same) continue;
    ++count;
    difference_ = "of the events: " + event::to_json({{}, {}, {}, state}) + "\nof the log:    " +
                  (found == states.end() ? "none" : event::to_json({{}, {}, {}, found->second})) +
                  "\n";
    for (const auto& [path, shown] : paths) difference_ += "shown:         " + shown.dump() + "\n";
  }
  for (const auto& [prefix, state] : states) {
    const bool is_known = expected.contains(prefix) || forget.contains(prefix);
    if (!is_known && !state.paths.empty()) ++count;
  }
  return count;
}

void Scene::all_read() {
  const auto last = [](const std::string& url) {
    const auto channels = get_json(url, "/v1/channels").value("channels", nlohmann::json::array());
    for (const auto& each : channels) {
      if (each["channel"] == "measurement") return each["last"].get<event::Position>();
    }
    return event::Position{0};
  };
  eventually([&] {
    const bool is_same = std::all_of(urls_.begin(), urls_.end(), [&](const std::string& url) {
      return last(url) == last(urls_.front());
    });
    return is_same && history_.missing(read("measurement")).empty();
  });
}

Findings Scene::check(const std::set<Prefix>& forget) {
  EXPECT_TRUE(flush()) << daemon_->log();
  if (is_shared_) all_read();
  Findings found = history_.compare(read("measurement"));
  found.states = wrong_states(forget);
  found.incidents = get_json(url_, "/v1/incidents?limit=1000")["incidents"].size();
  return found;
}

std::uint64_t Scene::wrong_states(const std::set<Prefix>& forget) {
  pass(kUntilClosed);
  std::uint64_t count = 0;
  eventually([&] {
    count = differences(replayed(read("measurement")), forget);
    return count == 0;
  });
  if (count > 0) fmt::print(stderr, "{}{}", difference_, daemon_->log());
  return count;
}

}  // namespace isochrone::test
