// SPDX-License-Identifier: Apache-2.0
//
// Policies: what the operator lets through on the channels beyond what roles say: requests and single
// events are let pass, counted, cut down or blocked.
//
// Threads:  immutable but for counters and rates, which any thread may raise.
// Order:    every policy that concerns a request is applied, in the order of the configuration; the
//           first that blocks answers.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/http_server.h"
#include "base/metrics.h"
#include "collector/event_rate.h"
#include "collector/filter.h"

namespace isochrone::collector {

enum class Effect : std::uint8_t {
  count,   // nothing but a number: what would a policy do?
  block,   // the request, or with a filter the events that match
  remove,  // fields of the events that match
  limit    // requests a second of one token, or address where there are none
};

enum class Action : std::uint8_t { read, post };

struct Policy {
  std::string name;
  std::vector<Action> actions;           // empty: both
  std::vector<event::Channel> channels;  // empty: all
  std::vector<std::string> tokens;       // empty: everybody
  std::shared_ptr<const Filter> filter;  // of events; null: all
  Effect effect = Effect::count;
  std::vector<std::string> fields;  // to remove
  std::uint64_t rate = 0;           // of limit

  bool concerns(Action action, event::Channel channel, std::string_view token) const;
};

// What may be removed: of what is posted, what an event can be without; of what is read, anything but
// the identity.
bool may_remove(Action action, std::string_view field);

class Policies;

// Those that look at the events of one request.
class EventRules {
 public:
  // Nothing, or the name of the policy that blocks it.
  std::optional<std::string_view> blocks(const event::Event& event) const;
  bool removes() const noexcept { return removes_; }
  // Before it is stored; whether anything was removed.
  bool cut(event::Event& event) const;
  // From its NDJSON form.
  std::string cut(const event::Event& event, std::string json) const;

 private:
  friend class Policies;
  struct Entry;
  std::shared_ptr<const Policies> policies_;  // owns the entries
  std::vector<const Entry*> entries_;
  bool removes_ = false;
};

class Policies : public std::enable_shared_from_this<Policies> {
 public:
  // Counters go on where `before` had a policy of the same name.
  static std::shared_ptr<const Policies> make(std::vector<Policy> policies,
                                              const Policies* before = nullptr);

  // The answer, when the request as a whole is not let through. `token` is empty for everybody,
  // `source` is what rates are counted by.
  std::optional<HttpResponse> judge(Action action, event::Channel channel, std::string_view token,
                                    std::string_view source, Monotonic now) const;
  // Null: no event need be looked at.
  std::shared_ptr<const EventRules> rules_for(Action action, event::Channel channel,
                                              std::string_view token) const;
  void measure(Metrics& metrics) const;

 private:
  std::vector<std::unique_ptr<EventRules::Entry>> entries_;
};

}  // namespace isochrone::collector
