// SPDX-License-Identifier: Apache-2.0
//
// HttpApi: which request goes where. docs/formats.md describes every path.
//
// Threads:  handle() runs on the HTTP server's threads; it decodes there and hands to the engine.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "base/guarded.h"
#include "base/http_server.h"
#include "collector/engine.h"
#include "collector/event_rate.h"
#include "collector/past_desk.h"
#include "collector/policies.h"
#include "collector/repeats.h"
#include "event/gate.h"

namespace isochrone::collector {

// What HTTP threads check events against; replaced as a whole on reload.
struct Rules {
  Options options;
  routing::Topology topology;
};

class HttpApi {
 public:
  HttpApi(Engine& engine, const EventLog& log, Readers& readers, std::shared_ptr<const Rules> rules,
          std::function<void(Metrics&)> measure_node);

  HttpResponse handle(const HttpRequest& request);
  void replace_rules(std::shared_ptr<const Rules> rules);
  // The engine's numbers; waits for the engine.
  void measure(Metrics& metrics);
  // For the server's own counters, known once it runs.
  void set_measure_http(std::function<void(Metrics&)> measure);
  void set_show_conditions(std::function<std::string()> show);

 private:
  HttpResponse handle_channel(const HttpRequest& request, std::string_view rest,
                              const event::Caller& caller);
  HttpResponse post_events(const HttpRequest& request, event::Channel channel,
                           const event::Caller& caller);
  HttpResponse read_events(const HttpRequest& request, event::Channel channel,
                           const event::Caller& caller);
  Result<Batch> decode(const HttpRequest& request, event::Channel channel) const;
  std::shared_ptr<const Policies> policies() const;
  HttpResponse ask(const HttpRequest& request);
  HttpResponse metrics();
  HttpResponse conditions() const;
  Nanos task_quiet() const;

  Engine& engine_;
  const EventLog& log_;
  Readers& readers_;
  std::atomic<std::uint64_t> bodies_refused_{0};  // several threads raise them
  std::atomic<std::uint64_t> posts_limited_{0};
  event::Gate gate_;
  EventRate rate_;
  Guarded<std::shared_ptr<const Policies>> policies_;
  const std::shared_ptr<Repeats> repeats_;
  Guarded<std::shared_ptr<const Rules>> rules_;
  std::function<void(Metrics&)> measure_node_;
  Guarded<std::function<void(Metrics&)>> measure_http_;
  Guarded<std::function<std::string()>> show_conditions_;
  PastDesk past_;
};

}  // namespace isochrone::collector
