// SPDX-License-Identifier: Apache-2.0
#include "collector/conditions.h"

#include <fmt/format.h>

#include <algorithm>

#include "event/names.h"

namespace isochrone::collector {
namespace {

double seconds(Nanos span) { return std::chrono::duration<double>(span).count(); }

bool holds(const Condition& rule, double value) {
  return rule.above ? value > *rule.above : value < *rule.below;
}

}  // namespace

bool Conditions::evaluate(const Vitals& vitals) {
  judged_.clear();
  for (const Condition& rule : rules_) {
    if (is_of_channel(rule.metric)) {
      for (std::size_t i = 0; i < event::kChannels; ++i) {
        const std::string name(event::to_string(static_cast<event::Channel>(i)));
        if (!rule.of.empty() && rule.of != name) continue;
        judge(rule, name, of_channel(rule, i, vitals.channels[i], vitals.now), {}, vitals.now);
      }
      continue;
    }
    for (const Vitals::Site& site : vitals.sites) {
      if (!rule.of.empty() && rule.of != site.name) continue;
      const bool is_of_round = rule.metric == ConditionMetric::round_completeness ||
                               rule.metric == ConditionMetric::round_loss;
      std::string_view task;
      if (is_of_round && site.round) task = site.round->task;
      judge(rule, site.name, of_site(rule, site, vitals.now), task, vitals.now);
    }
  }
  end_unjudged(vitals.now);
  return std::any_of(alerts_.begin(), alerts_.end(), [](const auto& each) {
    return (each.second.is_firing || each.second.over) && !each.second.is_told;
  });
}

// Nobody looks any more at what a rule that is gone, or that is for others now, had firing.
void Conditions::end_unjudged(Instant now) {
  std::erase_if(alerts_, [&](const auto& each) {
    return !judged_.contains(each.first) && !each.second.is_firing && !each.second.over;
  });
  for (auto& [key, alert] : alerts_) {
    if (judged_.contains(key) || alert.over) continue;
    alert.over = now;
    alert.detail += "; the configuration asks for it no more";
    alert.is_firing = alert.is_told = false;
  }
}

std::optional<double> Conditions::of_site(const Condition& rule, const Vitals::Site& site,
                                          Instant now) {
  switch (rule.metric) {
    case ConditionMetric::round_completeness:
      return site.round ? std::optional(site.round->completeness) : std::nullopt;
    case ConditionMetric::round_loss:
      return site.round ? std::optional(site.round->loss) : std::nullopt;
    case ConditionMetric::site_silence:
      if (!site.heard) return std::nullopt;
      return std::max(0.0, seconds(now - *site.heard));
    default:
      break;
  }
  const Past before = look_back(rule, site.name, {now, site.left, site.catchment});
  if (before.size == 0) return 0;
  return std::min(1.0, static_cast<double>(site.left - std::min(site.left, before.count)) /
                           static_cast<double>(before.size));
}

std::optional<double> Conditions::of_channel(const Condition& rule, std::size_t channel,
                                             const Vitals::Channel& seen, Instant now) {
  if (rule.metric == ConditionMetric::channel_silence) {
    if (!seen.arrived) return std::nullopt;
    return std::max(0.0, seconds(now - *seen.arrived));
  }
  const std::string name(event::to_string(static_cast<event::Channel>(channel)));
  const Past before = look_back(rule, name, {now, seen.last, 0});
  // A rate over less than the span would be judged by its first second.
  if (now - before.at < rule.over) return std::nullopt;
  return static_cast<double>(seen.last - std::min(seen.last, before.count)) /
         seconds(now - before.at);
}

// What was seen `over` ago, or the first time; remembers the present.
const Conditions::Past& Conditions::look_back(const Condition& rule, const std::string& subject,
                                              Past present) {
  auto& past = past_[{rule.name, subject}];
  // A clock that was set back: what lies ahead of it says nothing.
  std::erase_if(past, [&](const Past& each) { return each.at > present.at; });
  past.push_back(present);
  while (past.size() > 1 && past[1].at + rule.over <= present.at) past.pop_front();
  return past.front();
}

void Conditions::judge(const Condition& rule, const std::string& subject,
                       std::optional<double> value, std::string_view more, Instant now) {
  const auto key = std::pair(rule.name, subject);
  judged_.insert(key);
  if (!value) return;
  auto found = alerts_.find(key);
  if (!holds(rule, *value)) {
    if (found == alerts_.end()) return;
    Alert& alert = found->second;
    if (!alert.is_firing && !alert.over) {
      alerts_.erase(found);  // it never fired
    } else if (!alert.over) {
      alert.over = now;
      alert.value = *value;
      alert.is_firing = alert.is_told = false;
    }
    return;
  }
  if (found == alerts_.end() || found->second.over) {
    Alert fresh;
    fresh.condition = rule.name;
    fresh.subject = subject;
    fresh.severity = rule.severity;
    fresh.is_channel = is_of_channel(rule.metric);
    fresh.since = now;
    found = alerts_.insert_or_assign(key, std::move(fresh)).first;
  }
  Alert& alert = found->second;
  alert.value = *value;
  alert.detail = fmt::format(
      "{} of {} is {:.4g}, {} {:.4g}{}{}", kConditionMetrics[static_cast<std::size_t>(rule.metric)],
      subject, *value, rule.above ? "above" : "below", rule.above ? *rule.above : *rule.below,
      more.empty() ? "" : ", task ", more);
  if (!alert.is_firing && now - alert.since >= rule.hold) alert.is_firing = true;
}

std::vector<Alert> Conditions::to_tell() const {
  std::vector<Alert> found;
  for (const auto& [key, alert] : alerts_) {
    if (alert.is_firing || (alert.over && !alert.is_told)) found.push_back(alert);
  }
  return found;
}

void Conditions::told(const std::vector<Alert>& alerts) {
  for (const Alert& each : alerts) {
    const auto found = alerts_.find({each.condition, each.subject});
    // What changed while it was on its way is told again.
    if (found == alerts_.end() || found->second.since != each.since ||
        found->second.over != each.over) {
      continue;
    }
    if (each.over) {
      alerts_.erase(found);
    } else {
      found->second.is_told = true;
    }
  }
}

void Conditions::restore(const Alert& alert) {
  alerts_.insert_or_assign({alert.condition, alert.subject}, alert);
}

void Conditions::replace(std::vector<Condition> rules) {
  rules_ = std::move(rules);
  past_.clear();
}

}  // namespace isochrone::collector
