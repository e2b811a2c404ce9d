// SPDX-License-Identifier: Apache-2.0
#include "collector/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "base/bell.h"
#include "base/counter.h"
#include "base/guarded.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/random.h"
#include "event/backoff.h"

namespace isochrone::collector {
namespace {

using nlohmann::json;

constexpr Millis kEvery{1'000};
constexpr Millis kTimeout{5'000};
constexpr Millis kFirstPause{1'000};
constexpr Millis kLongestPause{60'000};
constexpr std::string_view kAlertNote = "alert/";
// Rounds of a site that are looked through for the last one that ended: one may still be running.
constexpr std::size_t kRoundsBack = 4;

// "http://host:port" and "/path".
std::pair<std::string, std::string> split_url(const std::string& url) {
  const auto start = url.find("://");
  const auto slash = start == std::string::npos ? start : url.find('/', start + 3);
  if (slash == std::string::npos) return {url, "/"};
  return {url.substr(0, slash), url.substr(slash)};
}

std::string note_key(const Alert& alert) {
  return std::string(kAlertNote) + alert.condition + "/" + alert.subject;
}

}  // namespace

struct Watch::Impl {
  struct Settings {
    std::vector<Condition> rules;
    std::string webhook;
    std::string node;
    Nanos repeat;
    Nanos task_quiet;
  };
  static Settings settings_of(const Options& options) {
    return {options.conditions, options.alert_webhook, options.node_name, options.alert_repeat,
            options.task_quiet};
  }

  Impl(Engine& of, const EventLog& from, const Options& options)
      : engine(of), log(from), settings(settings_of(options)), conditions(settings.rules) {}

  void run();
  void take_new_settings();
  std::optional<Vitals> look();
  void add_round(Vitals::Site& site, Instant now);
  void keep();
  void tell(Instant now);

  Engine& engine;
  const EventLog& log;
  Settings settings;  // the thread's
  Conditions conditions;
  std::map<std::string, bool> kept;  // notes in the log: whether they say it is over
  std::optional<HttpClient> client;
  event::Backoff backoff{kFirstPause, kLongestPause, random_u64()};
  Instant next_try{};
  Instant last_told{};
  bool was_failing = false;

  Guarded<std::optional<Settings>> next_settings;
  Guarded<std::vector<std::pair<Condition, std::vector<Alert>>>> shown;
  Counter posts;
  Counter failures;
  std::atomic<std::uint64_t> firing{0};
  std::atomic<bool> is_stopping{false};
  Bell stop;
  std::thread thread;
};

void Watch::Impl::run() {
  log.notes(kAlertNote, [&](std::string_view key, std::string_view bytes) {
    const auto alert = from_note(bytes);
    kept.emplace(key, alert && alert->over);
    if (alert) conditions.restore(*alert);
  });
  while (!is_stopping.load()) {
    take_new_settings();
    if (!settings.rules.empty() || !kept.empty()) {
      if (const auto vitals = look()) {
        conditions.evaluate(*vitals);
        keep();
        tell(vitals->now);
      }
    }
    stop.wait(kEvery);
  }
}

void Watch::Impl::take_new_settings() {
  auto next =
      next_settings.with([](auto& waiting) { return std::exchange(waiting, std::nullopt); });
  if (!next) return;
  settings = std::move(*next);
  conditions.replace(settings.rules);
  client.reset();
  next_try = last_told = Instant{};
}

// What the engine sees between two of its steps, and how the last round of each site ended.
std::optional<Vitals> Watch::Impl::look() {
  auto seen = std::make_shared<std::promise<Vitals>>();
  auto answer = seen->get_future();
  engine.ask([seen](Engine& asked) { seen->set_value(asked.vitals()); });
  while (answer.wait_for(Millis(50)) != std::future_status::ready) {
    if (is_stopping.load()) return std::nullopt;  // the engine may have ended already
  }
  Vitals vitals = answer.get();
  for (Vitals::Site& site : vitals.sites) add_round(site, vitals.now);
  return vitals;
}

void Watch::Impl::add_round(Vitals::Site& site, Instant now) {
  for (const TaskTable::Entry& entry : engine.tasks().newest(kRoundsBack, site.name)) {
    if (!entry.has_ended(now, settings.task_quiet)) continue;
    const TaskSummary summary = engine.tasks().summary(log, entry, true);
    if (summary.sent == 0) continue;
    const double loss = static_cast<double>(summary.lost) / static_cast<double>(summary.sent);
    site.round = Vitals::Round{entry.task, summary.completeness(), loss};
    return;
  }
}

// Writes what fires now, and forgets what was told to be over.
void Watch::Impl::keep() {
  std::map<std::string, bool> wanted;
  std::vector<Note> changes;
  std::uint64_t count = 0;
  for (const Alert& alert : conditions.to_tell()) {
    const std::string key = note_key(alert);
    wanted.emplace(key, alert.over.has_value());
    count += alert.is_firing ? 1 : 0;
    const auto known = kept.find(key);
    // Its value moves all the time; that it fires, and that it is over, does not.
    if (known == kept.end() || known->second != alert.over.has_value()) {
      changes.push_back({key, to_note(alert)});
    }
  }
  firing.store(count);
  for (const auto& [key, is_over] : kept) {
    if (!wanted.contains(key)) changes.push_back({key, {}});
  }
  kept = std::move(wanted);
  if (!changes.empty()) {
    engine.ask([changes](Engine& asked) { asked.keep(changes); });
  }
  std::vector<std::pair<Condition, std::vector<Alert>>> now;
  for (const Condition& rule : conditions.rules()) {
    std::vector<Alert> alerts;
    for (const auto& [key, alert] : conditions.alerts()) {
      if (key.first == rule.name) alerts.push_back(alert);
    }
    now.emplace_back(rule, std::move(alerts));
  }
  shown.with([&](auto& all) { all = std::move(now); });
}

void Watch::Impl::tell(Instant now) {
  const std::vector<Alert> alerts = conditions.to_tell();
  if (alerts.empty() || settings.webhook.empty()) return;
  const bool is_news =
      std::any_of(alerts.begin(), alerts.end(), [](const Alert& a) { return !a.is_told; });
  const bool is_due = is_news || now - last_told >= settings.repeat;
  // A clock that was set back must not silence it.
  if (!is_due || (now < next_try && next_try - now <= kLongestPause)) return;
  const auto [base, path] = split_url(settings.webhook);
  if (!client) client.emplace(base);
  const auto reply =
      client->post(path, "application/json", alertmanager_body(alerts, settings.node), kTimeout);
  if (reply && reply->status / 100 == 2) {
    posts.add();
    conditions.told(alerts);
    backoff.reset();
    last_told = now;
    next_try = Instant{};
    if (std::exchange(was_failing, false)) log_info("alert receiver answers again");
    return;
  }
  failures.add();
  next_try = now + backoff.next();
  if (!std::exchange(was_failing, true)) {
    log_warning(fmt::format(
        "alert receiver does not take alerts, they wait url={} why=\"{}\"", settings.webhook,
        reply ? fmt::format("status {}", reply->status) : reply.error().text()));
  }
}

Watch::Watch(Engine& engine, const EventLog& log, const Options& options)
    : impl_(std::make_unique<Impl>(engine, log, options)) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

Watch::~Watch() {
  impl_->is_stopping.store(true);
  impl_->stop.ring();
  impl_->thread.join();
}

void Watch::reconfigure(const Options& options) {
  impl_->next_settings.with([&](auto& next) { next = Impl::settings_of(options); });
  impl_->stop.ring();
}

void Watch::measure(Metrics& metrics) const {
  metrics.gauge("isochrone_alerts_firing", "Alerts that fire now.",
                static_cast<double>(impl_->firing.load()));
  metrics.counter("isochrone_alert_posts_total", "Posts the alert receiver took.",
                  static_cast<double>(impl_->posts.value()));
  metrics.counter("isochrone_alert_post_failures_total", "Posts it did not take; repeated later.",
                  static_cast<double>(impl_->failures.value()));
}

std::string Watch::to_json() const {
  json body{{"conditions", json::array()}};
  const auto all = impl_->shown.with([](const auto& now) { return now; });
  for (const auto& [rule, alerts] : all) {
    json entry{{"condition", rule.name},
               {"metric", kConditionMetrics[static_cast<std::size_t>(rule.metric)]},
               {rule.above ? "above" : "below", rule.above ? *rule.above : *rule.below},
               {"hold_s", rule.hold.count()},
               {"alerts", json::array()}};
    for (const Alert& alert : alerts) {
      entry["alerts"].push_back({{alert.is_channel ? "channel" : "site", alert.subject},
                                 {"state", alert.is_firing ? "firing"
                                           : alert.over    ? "over"
                                                           : "pending"},
                                 {"value", alert.value},
                                 {"since", format_instant(alert.since)},
                                 {"detail", alert.detail},
                                 {"told", alert.is_told}});
    }
    body["conditions"].push_back(std::move(entry));
  }
  return body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace isochrone::collector
