// SPDX-License-Identifier: Apache-2.0
#include "collector/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/log.h"
#include "collector/repetition.h"
#include "event/codec.h"

namespace isochrone::collector {
namespace {

// Windows close and silence is noticed this long after they are due at most.
constexpr Millis kTick{50};
constexpr Seconds kTrimEvery{60};
constexpr Nanos kForEver = Seconds(std::int64_t{100} * 365 * 24 * 3'600);
// A trim must not hold up the next post for long: about 10 ms each.
constexpr std::size_t kTrimAtOnce = 5'000;
// Compiling may take at most a quarter of the thread's time.
constexpr int kCompileShare = 4;

std::uint64_t epoch_of(Instant start) {
  return static_cast<std::uint64_t>(unix_nanos(start) / 1000);
}

routing::SiteMask all_of(const routing::Topology& topology) {
  const std::size_t sites = topology.sites.size();
  return sites >= routing::kMaxSites ? routing::kAllSites : (routing::SiteMask{1} << sites) - 1;
}

Retention retention(const Options& options) {
  Retention keep;
  for (std::size_t i = 0; i < keep.size(); ++i) {
    keep[i] = options.keep[i];
    if (keep[i].age.count() == 0) keep[i].age = options.retention;
  }
  return keep;
}

// 200 when anything was taken or was there already, else the status of the first refusal.
HttpResponse receipt(std::size_t accepted, std::size_t duplicates,
                     const std::vector<Rejected>& rejected) {
  nlohmann::json body{{"accepted", accepted}, {"duplicates", duplicates}};
  body["rejected"] = nlohmann::json::array();
  for (const Rejected& each : rejected) {
    nlohmann::json entry{
        {"index", each.index}, {"reason", to_string(each.why)}, {"error", each.error}};
    if (each.line > 0) entry["line"] = each.line;
    body["rejected"].push_back(std::move(entry));
  }
  HttpResponse response;
  if (accepted + duplicates == 0 && !rejected.empty()) {
    response.status = status_of(rejected.front().why);
    body["error"] = rejected.front().error;
  }
  // What was posted may hold bytes that are no UTF-8, and its error quotes them.
  response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  return response;
}

std::string describe_reuse(const event::EventId& id, const Found& stored) {
  const std::string where = stored.stored.position == 0
                                ? "earlier in this batch"
                                : fmt::format("at position {} of {}", stored.stored.position,
                                              event::to_string(stored.channel));
  return fmt::format(
      "the id ({}, {}, {}) is that of another event, {}; that one stands, see "
      "/v1/incidents",
      id.source, id.epoch, id.sequence, where);
}

}  // namespace

Engine::Engine(Loop& loop, EventLog& log, const Options& options, const routing::Topology& topology,
               std::shared_ptr<const routing::GeoPrior> geo, Readers& readers)
    : loop_(loop),
      log_(log),
      options_(options),
      core_(options, topology, epoch_of(loop.wall())),
      readers_(readers),
      geo_(std::move(geo)),
      believed_(all_of(topology)),
      started_at_(loop.wall()),
      age_doubt_(log, started_at_, loop.now()),
      mailbox_(loop, [this](std::vector<Message> messages) { handle(std::move(messages)); }),
      timer_(loop, [this] { tick(); }) {
  core_.set_map(geo_);
  if (!options.log.servers.empty()) {
    core_.share();
    shares_.emplace(options.node_name, epoch_of(loop.wall()), options.log.lease);
    shares_->restore(log_, loop_.now());
  }
  core_.restore(log_, loop_.wall());
  incidents_.restore(log_);
  remember_tasks();
  for (std::size_t i = 0; i < event::kChannels; ++i) {
    // Since when it is silent is not kept: since this start at the latest.
    if (log_.last(static_cast<event::Channel>(i)) > 0) arrived_[i] = started_at_;
  }
  timer_.start(kTick, kTick);
}

// The tasks of the newest measurements, so that a restart knows what was going on.
void Engine::remember_tasks() {
  constexpr event::Position kLookBack = 20'000;
  const event::Position last = log_.last(event::Channel::measurement);
  const Page page =
      log_.read(event::Channel::measurement, last > kLookBack ? last - kLookBack : 0, kLookBack);
  for (const StoredBytes& stored : page.events) {
    const auto* data = reinterpret_cast<const std::uint8_t*>(stored.event.data());
    const auto event = event::from_protobuf({data, stored.event.size()});
    if (event) tasks_.note({*event}, event->time);
  }
}

Vitals Engine::vitals() const {
  Vitals vitals;
  vitals.now = now();
  for (std::size_t i = 0; i < core_.topology().sites.size(); ++i) {
    const auto& heard = core_.health().sites()[i].last_heard;
    const Catchments::Site& catchment = core_.catchments().sites()[i];
    const bool is_known = heard && *heard != Instant{};
    vitals.sites.push_back({core_.topology().sites[i].name, is_known ? heard : std::nullopt,
                            catchment.size, catchment.left, std::nullopt});
  }
  for (std::size_t i = 0; i < event::kChannels; ++i) {
    vitals.channels[i] = {log_.last(static_cast<event::Channel>(i)), arrived_[i]};
  }
  return vitals;
}

void Engine::submit(Batch batch, std::shared_ptr<HttpReplyLater> reply) {
  mailbox_.post(Submission{std::move(batch), std::move(reply)});
}

void Engine::ask(std::function<void(Engine&)> question) { mailbox_.post(std::move(question)); }

void Engine::handle(std::vector<Message> messages) {
  std::vector<Submission> submissions;
  for (Message& message : messages) {
    if (auto* submission = std::get_if<Submission>(&message)) {
      submissions.push_back(std::move(*submission));
    }
  }
  if (!submissions.empty()) commit(std::move(submissions));
  for (Message& message : messages) {
    if (auto* question = std::get_if<Question>(&message)) (*question)(*this);
  }
}

// Where an event of a commit came from.
struct Engine::Admission {
  struct Origin {
    std::size_t submission;
    std::size_t at;  // in its batch
  };
  struct Reuse {
    event::Event refused;
    Found stored;
  };
  struct Outcome {
    std::size_t accepted = 0;
    std::size_t duplicates = 0;
  };
  std::vector<event::Event> fresh;  // to be judged, then what is new of it
  std::vector<Origin> origins;      // of fresh
  std::vector<Outcome> outcomes;    // by submission
  std::vector<Reuse> reused;
};

// Judges what is in `fresh` and leaves there what is new; what is refused goes to each batch's own list.
void Engine::admit(std::vector<Submission>& submissions, Admission& admission) {
  auto admitted = core_.admit(std::move(admission.fresh), now());
  const std::vector<Admission::Origin> origins = std::move(admission.origins);
  admission.fresh = std::move(admitted.fresh);
  admission.origins.clear();
  for (Admission::Outcome& outcome : admission.outcomes) outcome.accepted = 0;
  for (const std::size_t i : admitted.fresh_at) {
    admission.origins.push_back(origins[i]);
    ++admission.outcomes[origins[i].submission].accepted;
  }
  const auto reject = [&](std::size_t i, Refusal why, std::string error) {
    Batch& batch = submissions[origins[i].submission].batch;
    const std::size_t at = origins[i].at;
    batch.rejected.push_back({batch.indexes[at], batch.lines[at], why, std::move(error)});
  };
  for (const std::size_t i : admitted.refused) {
    reject(i, Refusal::sources, "too many different sources");
  }
  Repetitions repetitions(log_, admission.fresh);
  for (std::size_t i = 0; i < admitted.repeated.size(); ++i) {
    const event::Event& event = admitted.repeated[i];
    std::optional<Found> stored;
    const auto verdict = repetitions.judge(event, stored);
    if (verdict == Repetitions::Verdict::other) {
      reject(admitted.repeated_at[i], Refusal::id_reused, describe_reuse(event.id, *stored));
      admission.reused.push_back({event, std::move(*stored)});
      continue;
    }
    ++admission.outcomes[origins[admitted.repeated_at[i]].submission].duplicates;
    if (verdict == Repetitions::Verdict::unknown) counters_.unverified.add();
  }
}

void Engine::commit(std::vector<Submission> submissions) {
  look_at_clock();  // before events arrive by its new time
  Admission admission;
  admission.outcomes.resize(submissions.size());
  for (std::size_t i = 0; i < submissions.size(); ++i) {
    std::vector<event::Event>& events = submissions[i].batch.events;
    for (std::size_t at = 0; at < events.size(); ++at) admission.origins.push_back({i, at});
    std::move(events.begin(), events.end(), std::back_inserter(admission.fresh));
  }
  std::vector<event::Position> positions;
  while (true) {
    admit(submissions, admission);
    for (const Admission::Reuse& each : admission.reused) {
      incidents_.add(each.refused, each.stored, now());
    }
    std::vector<Note> notes = core_.notes();
    notes.insert(notes.end(), incidents_.notes().begin(), incidents_.notes().end());
    const Appended appended = append(admission.fresh, notes, positions);
    if (appended == Appended::yes) break;
    core_.undo();
    incidents_.rollback();
    // What others wrote may have some of these events.
    if (appended == Appended::others_did && catch_up()) continue;
    for (const Submission& submission : submissions) {
      submission.reply->reply(http_error(503, "the event log cannot be written; nothing was kept",
                                         "post the same events again later"));
    }
    return;
  }
  if (!incidents_.notes().empty()) {
    log_warning(
        fmt::format("event ids were used again for other events incidents_total={} "
                    "see=/v1/incidents",
                    incidents_.total()));
  }
  incidents_.commit();
  core_.apply(admission.fresh, positions, now());
  tasks_.note(admission.fresh, now());
  for (std::size_t i = 0; i < submissions.size(); ++i) {
    const auto& rejected = submissions[i].batch.rejected;
    const Admission::Outcome& outcome = admission.outcomes[i];
    counters_.accepted.add(outcome.accepted);
    counters_.duplicates.add(outcome.duplicates);
    for (const Rejected& each : rejected) {
      counters_.rejected[static_cast<std::size_t>(each.why)].add();
    }
    submissions[i].reply->reply(receipt(outcome.accepted, outcome.duplicates, rejected));
  }
  flush_outbox();
}

std::uint64_t Engine::rejected() const noexcept {
  std::uint64_t all = 0;
  for (const Counter& each : counters_.rejected) all += each.value();
  return all;
}

Engine::Appended Engine::append(const std::vector<event::Event>& events,
                                const std::vector<Note>& notes,
                                std::vector<event::Position>& positions) {
  if (events.empty() && notes.empty()) return Appended::yes;
  auto appended = log_.append(events, notes, now());
  if (!appended && appended.error().code() == Errc::invalid) return Appended::others_did;
  if (!appended && appended.error().code() == Errc::stale) tell_stale(appended.error());
  if (!appended) {
    counters_.commit_failures.add();
    if (!is_broken_) log_error(appended.error().text() + "; posts are refused until it can");
    is_broken_ = true;
    return Appended::no;
  }
  counters_.commits.add();
  const Instant at = now();
  for (const event::Event& event : events) {
    arrived_[static_cast<std::size_t>(event.channel())] = at;
  }
  if (is_broken_) log_info("event log writes again");
  is_broken_ = false;
  if (!events.empty()) readers_.grown();
  positions = std::move(*appended);
  return Appended::yes;
}

void Engine::flush_outbox() {
  while (!core_.outbox().empty()) {
    std::vector<event::Position> positions;
    const Appended appended = append(core_.outbox().events, core_.outbox().notes, positions);
    if (appended == Appended::yes) core_.outbox_is_durable();
    if (appended != Appended::others_did || !catch_up()) return;
  }
}

void Engine::look_at_clock() {
  const auto step = age_doubt_.observe(now(), loop_.now());
  if (!step) return;
  const bool is_forward = step->count() > 0;
  log_warning(
      fmt::format("the clock was set {} by={}{}", is_forward ? "forward" : "back",
                  format_duration(std::chrono::round<Seconds>(std::chrono::abs(*step))),
                  is_forward ? " nothing_is_too_old_for=" + format_duration(AgeDoubt::kSpan) : ""));
  if (is_forward) core_.keep({AgeDoubt::note(now())});
  static_cast<void>(catch_up());  // what was there before belongs to the old time
  core_.advance(now());
  flush_outbox();
}

void Engine::trim() {
  Retention keep = retention(options_);
  if (!age_doubt_.is_over(loop_.now())) {
    for (Keep& each : keep) each.age = kForEver;
  }
  const bool is_behind = log_.trim(keep, now(), kTrimAtOnce) >= kTrimAtOnce;
  next_trim_ = is_behind ? loop_.now() : loop_.now() + kTrimEvery;
}

// What an operator has to know: a site is measured in vain.
void Engine::look_at_probers() {
  const auto& sites = core_.topology().sites;
  routing::SiteMask believed = 0;
  for (std::size_t i = 0; i < sites.size(); ++i) {
    const routing::SiteId site(static_cast<std::uint16_t>(i));
    if (core_.juries().is_believed(site)) believed |= routing::site_bit(site);
  }
  const routing::SiteMask changed = std::exchange(believed_, believed) ^ believed;
  for (std::size_t i = 0; i < sites.size() && changed != 0; ++i) {
    const auto bit = routing::site_bit(routing::SiteId(static_cast<std::uint16_t>(i)));
    if ((changed & bit) == 0) continue;
    if ((believed & bit) != 0) {
      log_info(fmt::format("the prober is believed again site={}", sites[i].name));
    } else {
      log_warning(
          fmt::format("what the prober says does not fit and does not count any more site={} "
                      "see=docs/measurement.md",
                      sites[i].name));
    }
  }
}

void Engine::tick() {
  look_at_clock();
  if (catch_up() && shares_) share_out();
  if (may_owe_ && loop_.now() >= next_repay_) repay();
  core_.advance(now(), CoreShare::one_partition);
  look_at_probers();
  flush_outbox();
  // Posts come in between.
  timer_.start(core_.windows().has_due(now()) ? Millis(1) : kTick, kTick);
  // Of a shared log one collector gives up what is old.
  if (loop_.now() >= next_trim_ && core_.windows().mine()[kCommon]) trim();
}

const routing::RoutingTable& Engine::table() {
  const bool is_current = table_ != nullptr && compiled_generation_ == core_.generation();
  if (is_current || (table_ != nullptr && loop_.now() < next_compile_)) return *table_;
  const Monotonic start = loop_.now();
  table_ = routing::compile_table(core_.topology(), core_.state(), geo_.get(), core_.generation());
  compiled_generation_ = core_.generation();
  next_compile_ = loop_.now() + kCompileShare * (loop_.now() - start);
  counters_.compiles.add();
  return *table_;
}

void Engine::reconfigure(const Options& options, const routing::Topology& topology,
                         std::shared_ptr<const routing::GeoPrior> geo) {
  flush_outbox();
  options_ = options;
  geo_ = std::move(geo);
  table_.reset();
  core_.set_map(geo_);
  core_.reconfigure(options, topology);
  believed_ = all_of(topology);
}

}  // namespace isochrone::collector
