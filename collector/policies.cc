// SPDX-License-Identifier: Apache-2.0
#include "collector/policies.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "collector/answers.h"

namespace isochrone::collector {
namespace {

constexpr std::array<std::string_view, 4> kEffects{"count", "block", "remove", "limit"};

template <class T, class U>
bool is_any_of(const std::vector<T>& list, const U& one) {
  return list.empty() || std::find(list.begin(), list.end(), one) != list.end();
}

}  // namespace

struct EventRules::Entry {
  explicit Entry(Policy given) : policy(std::move(given)), requests(policy.rate) {}

  bool matches(const event::Event& event) const {
    if (policy.filter && !policy.filter->matches(event)) return false;
    count.fetch_add(1, std::memory_order_relaxed);
    return true;
  }

  const Policy policy;
  mutable std::atomic<std::uint64_t> count{0};
  mutable EventRate requests;
};

bool Policy::concerns(Action action, event::Channel channel, std::string_view token) const {
  return is_any_of(actions, action) && is_any_of(channels, channel) && is_any_of(tokens, token);
}

bool may_remove(Action action, std::string_view field) {
  if (action == Action::post) return field == "task" || field == "reason";
  return field != "id" && field != "channel" && field != "position";
}

std::optional<std::string_view> EventRules::blocks(const event::Event& event) const {
  for (const Entry* entry : entries_) {
    const Effect effect = entry->policy.effect;
    if (effect == Effect::remove || !entry->matches(event)) continue;
    if (effect == Effect::block) return entry->policy.name;
  }
  return std::nullopt;
}

bool EventRules::cut(event::Event& event) const {
  bool is_cut = false;
  for (const Entry* entry : entries_) {
    if (entry->policy.effect != Effect::remove || !entry->matches(event)) continue;
    for (const std::string& field : entry->policy.fields) {
      std::string* text = field == "task" ? &event.task : nullptr;
      auto* health = std::get_if<event::Health>(&event.payload);
      if (field == "reason" && health != nullptr) text = &health->reason;
      if (text == nullptr || text->empty()) continue;
      text->clear();
      is_cut = true;
    }
  }
  return is_cut;
}

std::string EventRules::cut(const event::Event& event, std::string json) const {
  nlohmann::ordered_json object;
  for (const Entry* entry : entries_) {
    if (entry->policy.effect != Effect::remove || !entry->matches(event)) continue;
    if (object.is_null()) object = nlohmann::ordered_json::parse(json);
    for (const std::string& field : entry->policy.fields) object.erase(field);
  }
  return object.is_null() ? std::move(json) : object.dump();
}

std::shared_ptr<const Policies> Policies::make(std::vector<Policy> policies,
                                               const Policies* before) {
  auto made = std::make_shared<Policies>();
  for (Policy& policy : policies) {
    made->entries_.push_back(std::make_unique<EventRules::Entry>(std::move(policy)));
    if (before == nullptr) continue;
    for (const auto& old : before->entries_) {
      if (old->policy.name != made->entries_.back()->policy.name) continue;
      made->entries_.back()->count.store(old->count.load());
    }
  }
  return made;
}

std::optional<HttpResponse> Policies::judge(Action action, event::Channel channel,
                                            std::string_view token, std::string_view source,
                                            Monotonic now) const {
  for (const auto& entry : entries_) {
    const Policy& policy = entry->policy;
    const bool is_of_events = policy.filter || policy.effect == Effect::remove;
    if (is_of_events || !policy.concerns(action, channel, token)) continue;
    if (policy.effect == Effect::limit) {
      const Nanos wait = entry->requests.wait(source, now);
      if (wait.count() == 0) {
        entry->requests.charge(source, 1, now);
        continue;
      }
      entry->count.fetch_add(1, std::memory_order_relaxed);
      return come_again(wait,
                        fmt::format("policy {} limits how often this may be asked", policy.name));
    }
    entry->count.fetch_add(1, std::memory_order_relaxed);
    if (policy.effect == Effect::block) {
      return http_error(403, fmt::format("policy {} does not let this through", policy.name));
    }
  }
  return std::nullopt;
}

std::shared_ptr<const EventRules> Policies::rules_for(Action action, event::Channel channel,
                                                      std::string_view token) const {
  auto rules = std::make_shared<EventRules>();
  for (const auto& entry : entries_) {
    const Policy& policy = entry->policy;
    const bool is_of_events = policy.filter || policy.effect == Effect::remove;
    if (!is_of_events || !policy.concerns(action, channel, token)) continue;
    rules->entries_.push_back(entry.get());
    rules->removes_ |= policy.effect == Effect::remove;
  }
  if (rules->entries_.empty()) return nullptr;
  rules->policies_ = shared_from_this();
  return rules;
}

void Policies::measure(Metrics& metrics) const {
  for (const auto& entry : entries_) {
    metrics.counter("isochrone_collector_policy_matches_total",
                    "Requests and events that a policy counted, blocked, cut or limited.",
                    static_cast<double>(entry->count.load(std::memory_order_relaxed)),
                    {{"policy", entry->policy.name},
                     {"effect", kEffects[static_cast<std::size_t>(entry->policy.effect)]}});
  }
}

}  // namespace isochrone::collector
