// SPDX-License-Identifier: Apache-2.0
#include "app/config_policies.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace isochrone::app {
namespace {

using collector::Action;
using collector::Effect;
using collector::Policy;

Effect effect_of(std::string_view word) {
  if (word == "block") return Effect::block;
  if (word == "remove") return Effect::remove;
  return word == "limit" ? Effect::limit : Effect::count;
}

void read_tokens(const Section& section, const ApiOptions& api, Policy& policy) {
  std::vector<std::string_view> known;
  for (const auto& token : api.access.tokens) known.push_back(token.name);
  for (const auto& [name, mark] : section.many<std::string>("tokens")) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      section.complain(mark, fmt::format("unknown token \"{}\"; add it to access.tokens or correct "
                                         "the name{}",
                                         name, did_you_mean(name, known)));
    }
    policy.tokens.push_back(name);
  }
}

void read_fields(const Section& section, Policy& policy) {
  for (const auto& [field, mark] : section.many<std::string>("fields")) {
    const bool is_posted = std::find(policy.actions.begin(), policy.actions.end(), Action::post) !=
                               policy.actions.end() ||
                           policy.actions.empty();
    if (!may_remove(is_posted ? Action::post : Action::read, field)) {
      section.complain(mark, is_posted
                                 ? fmt::format("{} cannot be taken out of what is posted; only "
                                               "task and reason can, or write \"actions: read\"",
                                               field)
                                 : fmt::format("{} cannot be taken out: it is what a reader "
                                               "knows the event by",
                                               field));
    }
    policy.fields.push_back(field);
  }
}

// What an effect needs, and no other has.
void check_effect(const Section& section, const Policy& policy) {
  const auto demand = [&](std::string_view key, Effect effect, std::string_view word) {
    if (section.has(key) == (policy.effect == effect)) return;
    section.complain(section.has(key) ? section.mark_of(key) : section.mark(),
                     section.has(key)
                         ? fmt::format("{} is for effect {}; take one of them away", key, word)
                         : fmt::format("effect {0} without {1}; add \"{1}: ...\"", word, key));
  };
  demand("fields", Effect::remove, "remove");
  demand("rate", Effect::limit, "limit");
  if (policy.effect == Effect::limit && policy.filter) {
    section.complain(section.mark_of("filter"),
                     "effect limit counts requests, and a filter looks at events; take one away");
  }
}

Policy read_policy(const Section& section, const ApiOptions& api) {
  Policy policy;
  policy.name = section.one<std::string>("name").value_or("");
  policy.effect = effect_of(section.one<std::string>("effect").value_or(""));
  for (const auto& [word, mark] : section.many<std::string>("actions")) {
    policy.actions.push_back(word == "post" ? Action::post : Action::read);
  }
  for (const auto& [word, mark] : section.many<std::string>("channels")) {
    if (const auto channel = event::parse_channel(word)) policy.channels.push_back(*channel);
  }
  if (const auto text = section.one<std::string>("filter")) {
    if (auto filter = collector::Filter::parse(*text)) {
      policy.filter = std::make_shared<const collector::Filter>(std::move(*filter));
    }
  }
  policy.rate = static_cast<std::uint64_t>(section.one<std::int64_t>("rate").value_or(0));
  read_tokens(section, api, policy);
  read_fields(section, policy);
  check_effect(section, policy);
  return policy;
}

}  // namespace

std::vector<Policy> read_policies(const Section& collector, const ApiOptions& api) {
  std::vector<Policy> policies;
  Unique names("policy", collector);
  for (const Section& section : collector.sections("policies")) {
    policies.push_back(read_policy(section, api));
    names.check(policies.back().name, section.mark_of("name"));
  }
  return policies;
}

}  // namespace isochrone::app
