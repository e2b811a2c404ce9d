// SPDX-License-Identifier: Apache-2.0
#include "collector/http.h"

#include <chrono>
#include <future>
#include <utility>

#include "base/text.h"
#include "collector/answers.h"
#include "collector/intake.h"
#include "collector/queries.h"
#include "event/names.h"

namespace isochrone::collector {
namespace {

constexpr std::string_view kChannels = "/v1/channels/";
constexpr std::string_view kTasks = "/v1/tasks/";

HttpResponse no_such_channel(std::string_view name) {
  return http_error(404, "no channel \"" + std::string(name) + "\"",
                    "channels are measurement, demand, health, load, state, target, decision");
}

HttpResponse no_such_path(const std::string& path) {
  return http_error(
      404, "nothing is at " + path,
      "GET /v1/status, sites, services, table, paths, resolvers, targets, tasks, channels, "
      "conditions, incidents, route, changes, /healthz, /metrics; see docs/formats.md");
}

HttpResponse text(std::string content_type, std::string body) {
  HttpResponse response;
  response.content_type = std::move(content_type);
  response.body = std::move(body);
  return response;
}

// Who pays for what is asked: a token, or an address where there are none.
std::string payer_of(const HttpRequest& request, const event::Caller& caller) {
  return caller.name().empty() ? request.peer.to_string() : std::string(caller.name());
}

// An answer that the engine gives between two of its steps.
HttpResponse from_engine(Engine& engine, std::function<HttpResponse(Engine&)> answer) {
  HttpResponse response;
  response.later = [&engine, answer = std::move(answer)](std::shared_ptr<HttpReplyLater> reply) {
    engine.ask([answer, reply](Engine& asked) { reply->reply(answer(asked)); });
  };
  return response;
}

void measure_engine(Engine& engine, Metrics& metrics) {
  const Core& core = engine.core();
  const auto& counters = engine.counters();
  const auto& counts = core.counts();
  const auto total = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    metrics.counter(std::string("isochrone_collector_") + std::string(name), help,
                    static_cast<double>(value));
  };
  const auto gauge = [&](std::string_view name, std::string_view help, std::size_t value) {
    metrics.gauge(std::string("isochrone_collector_") + std::string(name), help,
                  static_cast<double>(value));
  };
  total("events_accepted_total", "Events made durable.", counters.accepted.value());
  total("events_duplicate_total", "Events whose id was seen before.", counters.duplicates.value());
  for (std::size_t i = 0; i < kRefusals; ++i) {
    metrics.counter("isochrone_collector_events_rejected_total", "Events refused, by why.",
                    static_cast<double>(counters.rejected[i].value()),
                    {{"reason", to_string(static_cast<Refusal>(i))}});
  }
  total("events_unverified_total", "Duplicates whose first event is not kept any more.",
        counters.unverified.value());
  total("incidents_total", "Events refused because their id was another event's, ever.",
        engine.incidents().total());
  total("commits_total", "Synced writes of the event log.", counters.commits.value());
  total("commit_failures_total", "Writes the event log refused.", counters.commit_failures.value());
  total("events_lost_total", "Events of the log that damage has taken.",
        engine.log().damage().events);
  total("compiles_total", "Routing tables compiled here.", counters.compiles.value());
  total("samples_total", "Measurements kept in a window.", counts.samples);
  total("samples_reduced_total", "Measurements in windows that closed.", counts.samples_reduced);
  total("samples_late_total", "Measurements that came after their window.", counts.late);
  total("samples_over_quota_total", "Measurements beyond a window's quota.", counts.over_quota);
  total("preferences_changed_total", "Changes of a preferred site.", counts.preferences_changed);
  total("sightings_total", "Halves of beacon tasks: resolvers and clients.", counts.sightings);
  total("sightings_lost_total", "Of them, too late to count or too many.", counts.sightings_lost);
  total("verdicts_total", "Times that enough browsers agreed on a path.", core.juries().verdicts());
  total("juries_hung_total", "Times that browsers could not agree.", core.juries().hung());
  for (std::size_t i = 0; i < routing::kMethods; ++i) {
    const auto method = static_cast<routing::Method>(i);
    metrics.gauge("isochrone_collector_method_bias_seconds",
                  "What a method says more than a ping, in the first partition reduced here.",
                  static_cast<double>(core.windows().bias().of(method).p50.count()) / 1e6,
                  {{"method", event::method_name(method)}});
  }
  gauge("resolvers", "Resolvers whose clients are known.", core.resolvers().mixes().size());
  gauge("prefixes", "Client prefixes with state.", core.state().size());
  gauge("targets", "Prefixes that demand asked to measure.", core.targets().size());
  gauge("sources", "Event sources known.", core.dedup().sources());
  gauge("windows_open", "Windows that still take events.", core.windows().open_windows());
  gauge("generation", "Generation of the performance state.", core.generation());
  const routing::SiteMask up = core.health().up();
  for (std::size_t i = 0; i < core.topology().sites.size(); ++i) {
    const bool is_up =
        (up & routing::site_bit(routing::SiteId(static_cast<std::uint16_t>(i)))) != 0;
    metrics.gauge("isochrone_site_up", "Whether answers may name the site.", is_up ? 1 : 0,
                  {{"site", core.topology().sites[i].name}});
    const bool is_believed =
        core.juries().is_believed(routing::SiteId(static_cast<std::uint16_t>(i)));
    metrics.gauge("isochrone_prober_believed", "Whether what the site's prober says counts.",
                  is_believed ? 1 : 0, {{"site", core.topology().sites[i].name}});
  }
}

}  // namespace

HttpApi::HttpApi(Engine& engine, const EventLog& log, Readers& readers,
                 std::shared_ptr<const Rules> rules, std::function<void(Metrics&)> measure_node)
    : engine_(engine),
      log_(log),
      readers_(readers),
      gate_(rules->options.access),
      rate_(rules->options.max_event_rate),
      policies_(Policies::make(rules->options.policies)),
      repeats_(std::make_shared<Repeats>(rules->options.repeat_window)),
      rules_(std::move(rules)),
      measure_node_(std::move(measure_node)),
      past_(engine, log) {}

void HttpApi::replace_rules(std::shared_ptr<const Rules> rules) {
  gate_.replace(rules->options.access);
  rate_.set_rate(rules->options.max_event_rate);
  repeats_->set_window(rules->options.repeat_window);
  policies_.with(
      [&](auto& current) { current = Policies::make(rules->options.policies, current.get()); });
  rules_.with([&](auto& current) { current = std::move(rules); });
}

void HttpApi::measure(Metrics& metrics) {
  // Shared: the waiter may go on while set_value() is still on its way out.
  const auto done = std::make_shared<std::promise<void>>();
  engine_.ask([&metrics, done](Engine& engine) {
    measure_engine(engine, metrics);
    done->set_value();
  });
  done->get_future().wait();
}

void HttpApi::set_show_conditions(std::function<std::string()> show) {
  show_conditions_.with([&](auto& current) { current = std::move(show); });
}

void HttpApi::set_measure_http(std::function<void(Metrics&)> measure) {
  measure_http_.with([&](auto& current) { current = std::move(measure); });
}

HttpResponse HttpApi::handle(const HttpRequest& request) {
  const std::string_view path = request.path;
  if (path == "/healthz") return ask(request);  // says nothing that a connection does not
  const auto caller = gate_.admit(request);
  if (!caller) return caller.error();
  if (path.starts_with(kChannels)) {
    return handle_channel(request, path.substr(kChannels.size()), *caller);
  }
  if (request.method != "GET") {
    return http_error(405, request.method + " is only for /v1/channels/{channel}/events");
  }
  if (!caller->may_query()) return gate_.forbid(*caller, "look at the collector");
  if (path.starts_with(kTasks)) {
    return query_task(log_, path.substr(kTasks.size()), engine_.now(), task_quiet());
  }
  if (path == "/v1/tasks") {
    return query_tasks(log_, engine_.tasks(), request, engine_.now(), task_quiet());
  }
  if (path == "/v1/conditions") return conditions();
  if (path == "/v1/incidents") return query_incidents(log_, request);
  if (path == "/metrics") return metrics();
  const bool is_of_log = path == "/v1/changes" || (path == "/v1/route" && is_of_past(request));
  if (is_of_log) return past_.ask(request);
  return ask(request);
}

HttpResponse HttpApi::ask(const HttpRequest& request) {
  const std::string& path = request.path;
  using Answer = std::function<HttpResponse(Engine&)>;
  Answer answer;
  if (path == "/healthz") {
    // Through the engine: it is alive when it answers.
    answer = [](Engine&) { return text("text/plain", "ok\n"); };
  } else if (path == "/v1/status") {
    answer = query_status;
  } else if (path == "/v1/sites") {
    answer = query_sites;
  } else if (path == "/v1/services") {
    answer = query_services;
  } else if (path == "/v1/holdout") {
    answer = query_hold_out;
  } else if (path == "/v1/channels") {
    answer = query_channels;
  } else if (path == "/v1/targets") {
    answer = [request](Engine& engine) { return query_targets(engine, request); };
  } else if (path == "/v1/resolvers") {
    answer = [request](Engine& engine) { return query_resolvers(engine, request); };
  } else if (path == "/v1/paths") {
    answer = [request](Engine& engine) { return query_paths(engine, request); };
  } else if (path == "/v1/table") {
    answer = [request](Engine& engine) { return query_table(engine, request); };
  } else if (path == "/v1/route") {
    answer = [request](Engine& engine) { return query_route(engine, request); };
  } else {
    return no_such_path(path);
  }
  return from_engine(engine_, std::move(answer));
}

HttpResponse HttpApi::handle_channel(const HttpRequest& request, std::string_view rest,
                                     const event::Caller& caller) {
  const auto slash = rest.find('/');
  const auto channel = event::parse_channel(rest.substr(0, slash));
  if (!channel) return no_such_channel(rest.substr(0, slash));
  if (slash == std::string_view::npos || rest.substr(slash) != "/events") {
    return no_such_path(request.path);
  }
  const bool is_post = request.method == "POST";
  if (is_post ? !caller.may_post(*channel) : !caller.may_read(*channel)) {
    return gate_.forbid(caller, std::string(is_post ? "post to " : "read ") +
                                    std::string(event::to_string(*channel)));
  }
  const Action action = is_post ? Action::post : Action::read;
  if (auto refused = policies()->judge(action, *channel, caller.name(), payer_of(request, caller),
                                       std::chrono::steady_clock::now())) {
    return std::move(*refused);
  }
  return is_post ? post_events(request, *channel, caller) : read_events(request, *channel, caller);
}

Result<Batch> HttpApi::decode(const HttpRequest& request, event::Channel channel) const {
  const auto type = request.headers.find("content-type");
  const bool is_protobuf =
      type != request.headers.end() && type->second.starts_with("application/x-protobuf");
  return is_protobuf ? decode_protobuf(request.body, channel)
                     : decode_ndjson(request.body, channel);
}

HttpResponse HttpApi::post_events(const HttpRequest& request, event::Channel channel,
                                  const event::Caller& caller) {
  if (!may_post(channel)) {
    return http_error(403,
                      std::string(event::to_string(channel)) + " events are the collector's own",
                      "post measurement, demand, health, load or decision events");
  }
  const std::string payer = payer_of(request, caller);
  const Monotonic now = std::chrono::steady_clock::now();
  if (const Nanos wait = rate_.wait(payer, now); wait.count() > 0) {
    posts_limited_.fetch_add(1, std::memory_order_relaxed);
    return come_again(wait, "this source posts more than collector.max-event-rate events a second");
  }
  const auto coding = request.headers.find("content-encoding");
  if (coding != request.headers.end() && to_lower(coding->second) != "identity") {
    bodies_refused_.fetch_add(1, std::memory_order_relaxed);
    auto refused = http_error(415, "the body is coded as " + coding->second,
                              "send it as it is: what unpacks to more than it seems is not taken");
    refused.headers["Accept-Encoding"] = "identity";
    return refused;
  }
  const Repeats::Key key = repeats_->key_of(request, payer);
  HttpResponse response;
  // Shared, because std::function copies what it holds.
  response.later = [this, request, channel, caller, payer, key,
                    now](std::shared_ptr<HttpReplyLater> reply) {
    reply = repeats_->begin(key, std::move(reply), now);
    if (!reply) return;
    auto batch = decode(request, channel);
    if (!batch) {
      bodies_refused_.fetch_add(1, std::memory_order_relaxed);
      reply->reply(http_error(400, batch.error().text()));
      return;
    }
    rate_.charge(payer, batch->events.size() + batch->rejected.size(), now);
    const auto rules = rules_.with([](const auto& current) { return current; });
    check_caller(*batch, caller);
    if (const auto of_events = policies()->rules_for(Action::post, channel, caller.name())) {
      check_rules(*batch, *of_events);
    }
    check_content(*batch, rules->topology, rules->options, engine_.now());
    engine_.submit(std::move(*batch), std::move(reply));
  };
  return response;
}

HttpResponse HttpApi::read_events(const HttpRequest& request, event::Channel channel,
                                  const event::Caller& caller) {
  auto read = parse_read(channel, request, engine_.now());
  if (!read) return http_error(400, read.error().text());
  if (const auto resolved = resolve(*read, log_); !resolved) {
    return http_error(404, resolved.error().text());
  }
  read->rules = policies()->rules_for(Action::read, channel, caller.name());
  if (read->rules && read->rules->removes() && read->encoding == Encoding::protobuf) {
    return http_error(406, "a policy removes fields of these events",
                      "read them as application/x-ndjson or text/event-stream");
  }
  if (read->encoding == Encoding::server_sent) {
    HttpResponse response;
    response.content_type = "text/event-stream";
    response.headers["Cache-Control"] = "no-store";
    response.headers["X-Isochrone-Log"] = log_.id();
    response.stream = [this, read = *read](std::shared_ptr<HttpStream> stream) {
      readers_.stream(read, std::move(stream));
    };
    return response;
  }
  ReadPage page = read_page(log_, *read);
  if (page.events > 0 || read->wait.count() == 0) {
    return to_response(log_, *read, std::move(page));
  }
  HttpResponse response;
  // Beyond the end means another log: answer at once with where the end is.
  if (read->after > page.scanned) return to_response(log_, *read, std::move(page));
  response.later = [this, read = *read](std::shared_ptr<HttpReplyLater> reply) {
    readers_.wait(read, std::move(reply));
  };
  return response;
}

std::shared_ptr<const Policies> HttpApi::policies() const {
  return policies_.with([](const auto& current) { return current; });
}

Nanos HttpApi::task_quiet() const {
  return rules_.with([](const auto& rules) { return rules->options.task_quiet; });
}

HttpResponse HttpApi::conditions() const {
  const auto tell = show_conditions_.with([](const auto& current) { return current; });
  return text("application/json", tell ? tell() : "{\"conditions\":[]}\n");
}

HttpResponse HttpApi::metrics() {
  // The other roles' counters are read here, not in the engine: they may wait for a reload that
  // waits for the engine.
  auto metrics = std::make_shared<Metrics>();
  if (measure_node_) measure_node_(*metrics);
  metrics->counter("isochrone_collector_bodies_refused_total",
                   "Posts refused as a whole: coded, or without any event.",
                   static_cast<double>(bodies_refused_.load(std::memory_order_relaxed)));
  metrics->counter("isochrone_collector_posts_limited_total",
                   "Posts refused because their source is over collector.max-event-rate.",
                   static_cast<double>(posts_limited_.load(std::memory_order_relaxed)));
  gate_.measure(*metrics);
  policies()->measure(*metrics);
  metrics->counter("isochrone_collector_posts_repeated_total",
                   "Posts answered like an earlier one that was the same.",
                   static_cast<double>(repeats_->answered()));
  measure_http_.with([&](const auto& measure) {
    if (measure) measure(*metrics);
  });
  return from_engine(engine_, [metrics](Engine& engine) {
    measure_engine(engine, *metrics);
    return text("text/plain; version=0.0.4", metrics->text());
  });
}

}  // namespace isochrone::collector
