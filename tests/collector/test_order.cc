// SPDX-License-Identifier: Apache-2.0
//
// The same events in any order, duplicated, in any batches, late within what is allowed: everything
// that is reduced from them is the same to the octet. But for one thing: which sites are up is what is
// known when a window closes, not what will be known of that time, so operators speak before the first.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "base/random.h"
#include "collector/core.h"
#include "collector/task.h"
#include "collector/task_table.h"
#include "event/codec.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

using event::Event;
using event::HealthOrigin;
using event::HealthStatus;

constexpr Millis kTick{50};
// Of events, on their way here: less than test_options() allows with a tick on top.
constexpr std::uint64_t kLateMillis = 400;
constexpr Seconds kSpan{20};

struct Delivery {
  Instant at;
  Event event;
};

Instant some_time(Random& random) {
  return kStart + Millis(random.below(static_cast<std::uint64_t>(Millis(kSpan).count())));
}

Prefix some_network(Random& random) {
  const char* networks[] = {"192.0.2.0/24", "198.18.0.0/24", "198.18.1.0/24", "2001:db8:9::/48"};
  return *Prefix::parse(networks[random.below(4)]);
}

event::Payload some_payload(Random& random, const std::string& site) {
  const auto kind = random.below(20);
  if (kind == 0) return event::Load{site, random.below(900), 1'000};
  if (kind == 1) {
    return event::DecisionSample{"www.example.com", some_network(random), site, "measured", 24, 7};
  }
  if (kind == 3) {
    return event::Demand{"www.example.com", some_network(random), *Address::parse("203.0.113.9"),
                         static_cast<std::uint32_t>(1 + random.below(50)), Millis(1'000)};
  }
  event::Measurement measured{site, some_network(random), routing::Method::icmp, {}};
  if (random.below(3) == 0) measured.method = routing::Method::tcp;
  // Some paths change on the way, and some answers are lost.
  if (random.below(10) > 0) measured.rtt = Micros(10'000 + random.below(60'000));
  return measured;
}

// Of both sites, their probers' heartbeats included; an id each, numbered as they were made.
std::vector<Event> some_events(Random& random) {
  std::vector<Event> events;
  for (int i = 0; i < 600; ++i) {
    const std::string site = random.below(2) == 0 ? "fra" : "iad";
    events.push_back({{}, some_time(random), site + "-1", some_payload(random, site)});
  }
  for (int i = 0; i < 12; ++i) {
    const auto status = static_cast<HealthStatus>(random.below(3));
    events.push_back({{},
                      kStart - Millis(random.below(5'000)),
                      {},
                      event::Health{random.below(2) == 0 ? "fra" : "iad", status,
                                    HealthOrigin::operators, "works"}});
  }
  for (Instant at = kStart; at < kStart + kSpan; at += Seconds(1)) {
    for (const char* site : {"fra", "iad"}) {
      events.push_back(
          {{}, at, {}, event::Health{site, HealthStatus::up, HealthOrigin::prober, {}}});
    }
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const Event& a, const Event& b) { return a.time < b.time; });
  std::map<std::string, std::uint64_t> sequences;
  for (Event& event : events) {
    const std::string source = "source-" + std::to_string(random.below(5));
    event.id = {source, 1, ++sequences[source]};
  }
  return events;
}

// Each at its time or somewhat later, some of them again later still.
std::vector<Delivery> deliver(const std::vector<Event>& events, Random& random) {
  std::vector<Delivery> deliveries;
  for (const Event& event : events) {
    const Instant sent = std::max(event.time, kStart);
    deliveries.push_back({sent + Millis(random.below(kLateMillis)), event});
    if (random.below(4) > 0) continue;
    deliveries.push_back({sent + Millis(random.below(5'000)) + Millis(kLateMillis), event});
  }
  std::sort(deliveries.begin(), deliveries.end(),
            [](const Delivery& a, const Delivery& b) { return a.at < b.at; });
  return deliveries;
}

// Everything that is reduced, as text.
std::string dump(const Core& core, const std::vector<Event>& said, const TaskTable& tasks,
                 std::vector<Event> kept) {
  std::string out;
  for (const Event& event : said) {
    if (event.channel() != event::Channel::state) continue;
    out += event::to_protobuf({{}, {}, {}, event.payload});
  }
  for (const SiteHealth::Site& site : core.health().sites()) {
    out += std::to_string(static_cast<int>(site.by_operator)) + (site.is_silent ? "s" : "h");
  }
  for (const Catchments::Site& site : core.catchments().sites()) {
    out += " " + std::to_string(site.size) + "/" + std::to_string(site.left);
  }
  std::map<Prefix, std::uint64_t> targets;
  for (const Targets::Known& known : core.targets().known()) targets[known.prefix] = known.queries;
  for (const auto& [prefix, queries] : targets) {
    out += " " + prefix.to_string() + ":" + std::to_string(queries);
  }
  std::map<std::string, std::uint64_t> counts;
  for (const TaskTable::Entry& entry : tasks.newest(100)) counts[entry.task] = entry.events;
  for (const auto& [task, events] : counts) {
    std::vector<Event> of;
    std::copy_if(kept.begin(), kept.end(), std::back_inserter(of),
                 [&](const Event& event) { return event.task == task; });
    const TaskSummary summary = summarize_task(of);
    out += " " + task + "=" + std::to_string(events) + "," + std::to_string(summary.sent) + "," +
           std::to_string(summary.lost) + "," + std::to_string(summary.p50->count()) + "," +
           std::to_string(summary.p90->count()) + "," + std::to_string(summary.expected);
  }
  return out + " " + std::to_string(core.counts().samples_reduced);
}

std::string reduce(const std::vector<Delivery>& deliveries, Random& random) {
  Core core(test_options(), two_sites(), 7);
  TaskTable tasks;
  std::vector<Event> said;
  std::vector<Event> kept;
  event::Position last = 0;
  auto next = deliveries.begin();
  for (Instant now = kStart; now < kStart + 2 * kSpan; now += kTick) {
    while (next != deliveries.end() && next->at <= now) {
      std::vector<Event> batch;
      for (std::uint64_t n = 1 + random.below(9); n > 0 && next != deliveries.end(); --n) {
        if (next->at > now) break;
        batch.push_back((next++)->event);
      }
      const auto admitted = core.admit(std::move(batch), now);
      std::vector<event::Position> positions;
      for (std::size_t i = 0; i < admitted.fresh.size(); ++i) positions.push_back(++last);
      core.apply(admitted.fresh, positions, now);
      tasks.note(admitted.fresh, now);
      kept.insert(kept.end(), admitted.fresh.begin(), admitted.fresh.end());
    }
    core.advance(now);
    said.insert(said.end(), core.outbox().events.begin(), core.outbox().events.end());
    core.outbox_is_durable();
  }
  EXPECT_EQ(core.counts().late, 0U);
  return dump(core, said, tasks, std::move(kept));
}

TEST(Order, ChangesNothingThatIsReduced) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    Random random(seed);
    const std::vector<Event> events = some_events(random);
    const std::string first = reduce(deliver(events, random), random);
    EXPECT_GT(first.size(), 5'000U);
    for (int again = 0; again < 4; ++again) {
      EXPECT_TRUE(reduce(deliver(events, random), random) == first) << "seed " << seed;
    }
  }
}

// The check above would see one answer that is another.
TEST(Order, TheComparisonSeesOneChangedAnswer) {
  Random random(3);
  std::vector<Event> events = some_events(random);
  const std::string first = reduce(deliver(events, random), random);
  const auto at = std::find_if(events.begin(), events.end(), [](const Event& event) {
    const auto* measured = std::get_if<event::Measurement>(&event.payload);
    return measured != nullptr && measured->rtt;
  });
  std::get<event::Measurement>(at->payload).rtt = Micros(1);
  EXPECT_FALSE(reduce(deliver(events, random), random) == first);
}

}  // namespace
}  // namespace isochrone::collector
