// SPDX-License-Identifier: Apache-2.0
//
// Queries: what can be asked of the collector's state, as JSON; docs/formats.md has every field.
//
// Threads:  the engine's: each answer is one consistent look.
// Limits:   lists are paged: `limit` (1000, at most 100 000) and `after`, the last key of the page
//           before.
#pragma once

#include "base/http_server.h"
#include "collector/engine.h"
#include "collector/past.h"

namespace isochrone::collector {

HttpResponse query_status(Engine& engine);
HttpResponse query_sites(Engine& engine);
HttpResponse query_services(Engine& engine);
// Cost: a walk over all measured networks for each service that holds some out.
HttpResponse query_hold_out(Engine& engine);
HttpResponse query_channels(Engine& engine);
HttpResponse query_targets(Engine& engine, const HttpRequest& request);
HttpResponse query_paths(Engine& engine, const HttpRequest& request);
HttpResponse query_table(Engine& engine, const HttpRequest& request);
HttpResponse query_route(Engine& engine, const HttpRequest& request);
// Of a decision that was: ?at=TIME, or ?decision=SOURCE/EPOCH/SEQUENCE of its event. It may take seconds
// and runs in any thread, with what past_setup() found in the engine's.
bool is_of_past(const HttpRequest& request);
PastSetup past_setup(Engine& engine);
HttpResponse query_past_route(const EventLog& log, const PastSetup& setup, Instant now,
                              const HttpRequest& request, const std::function<bool()>& goes_on);
// What moved, likewise: ?since=&until=&service=&limit=.
HttpResponse query_changes(const EventLog& log, const PastSetup& setup, Instant now,
                           const HttpRequest& request, const std::function<bool()>& goes_on);
// A kept `decision` event that says what it rests on.
Result<event::Event> find_decision(const EventLog& log, const event::EventId& id);
// Site, scope and reason are those of the sample.
bool agrees(const routing::Topology& topology, const routing::Decision& decision,
            const event::DecisionSample& sample);
// Addresses of resolvers instead of prefixes.
HttpResponse query_resolvers(Engine& engine, const HttpRequest& request);
// These read the log and may run in any thread.
// A task of which nothing came for `quiet` has ended.
HttpResponse query_task(const EventLog& log, std::string_view task, Instant now, Nanos quiet);
HttpResponse query_tasks(const EventLog& log, TaskTable& table, const HttpRequest& request,
                         Instant now, Nanos quiet);
HttpResponse query_incidents(const EventLog& log, const HttpRequest& request);

}  // namespace isochrone::collector
