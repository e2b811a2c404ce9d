// SPDX-License-Identifier: Apache-2.0
#include "collector/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/log.h"

namespace isochrone::collector {
namespace {

// Windows close and silence is noticed this long after they are due at most.
constexpr Millis kTick{50};
constexpr Seconds kTrimEvery{60};
// A trim must not hold up the next post for long: about 10 ms each.
constexpr std::size_t kTrimAtOnce = 5'000;
// Compiling may take at most a quarter of the thread's time.
constexpr int kCompileShare = 4;

std::uint64_t epoch_of(Instant start) {
  return static_cast<std::uint64_t>(unix_nanos(start) / 1000);
}

HttpResponse receipt(std::size_t accepted, std::size_t duplicates,
                     const std::vector<Rejected>& rejected) {
  nlohmann::json body{{"accepted", accepted}, {"duplicates", duplicates}};
  body["rejected"] = nlohmann::json::array();
  for (const Rejected& each : rejected) {
    nlohmann::json entry{{"index", each.index}, {"error", each.error}};
    if (each.line > 0) entry["line"] = each.line;
    body["rejected"].push_back(std::move(entry));
  }
  HttpResponse response;
  // What was posted may hold bytes that are no UTF-8, and its error quotes them.
  response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  return response;
}

}  // namespace

Engine::Engine(Loop& loop, EventLog& log, const Options& options, const routing::Topology& topology,
               std::shared_ptr<const routing::GeoPrior> geo)
    : loop_(loop),
      log_(log),
      options_(options),
      core_(options, topology, epoch_of(loop.wall())),
      followers_(log),
      geo_(std::move(geo)),
      started_at_(loop.wall()),
      mailbox_(loop, [this](std::vector<Message> messages) { handle(std::move(messages)); }),
      timer_(loop, [this] { tick(); }) {
  core_.set_map(geo_);
  core_.restore(log_, loop_.wall());
  timer_.start(kTick, kTick);
}

void Engine::submit(Batch batch, std::shared_ptr<HttpReplyLater> reply) {
  mailbox_.post(Submission{std::move(batch), std::move(reply)});
}

void Engine::follow(Read read, std::shared_ptr<HttpReplyLater> reply) {
  mailbox_.post(Following{std::move(read), std::move(reply), nullptr});
}

void Engine::stream(Read read, std::shared_ptr<HttpStream> stream) {
  mailbox_.post(Following{std::move(read), nullptr, std::move(stream)});
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
    if (auto* following = std::get_if<Following>(&message)) {
      if (following->stream) {
        followers_.stream(std::move(following->read), std::move(following->stream));
      } else {
        followers_.wait(std::move(following->read), now(), std::move(following->reply));
      }
    } else if (auto* question = std::get_if<Question>(&message)) {
      (*question)(*this);
    }
  }
  followers_.serve(now());
}

void Engine::commit(std::vector<Submission> submissions) {
  std::vector<event::Event> fresh;
  struct Outcome {
    std::size_t accepted;
    std::size_t duplicates;
  };
  std::vector<Outcome> outcomes;
  for (Submission& submission : submissions) {
    Batch& batch = submission.batch;
    auto admitted = core_.admit(std::move(batch.events), now());
    outcomes.push_back({admitted.fresh.size(), admitted.duplicates});
    for (const std::size_t i : admitted.refused) {
      batch.rejected.push_back({batch.indexes[i], batch.lines[i], "too many different sources"});
    }
    std::move(admitted.fresh.begin(), admitted.fresh.end(), std::back_inserter(fresh));
  }
  std::vector<event::Position> positions;
  if (!append(fresh, core_.notes(), positions)) {
    core_.undo();
    for (const Submission& submission : submissions) {
      submission.reply->reply(http_error(503, "the event log cannot be written; nothing was kept",
                                         "post the same events again later"));
    }
    return;
  }
  core_.apply(fresh, positions, now());
  for (std::size_t i = 0; i < submissions.size(); ++i) {
    const auto& rejected = submissions[i].batch.rejected;
    counters_.accepted.add(outcomes[i].accepted);
    counters_.duplicates.add(outcomes[i].duplicates);
    counters_.rejected.add(rejected.size());
    submissions[i].reply->reply(receipt(outcomes[i].accepted, outcomes[i].duplicates, rejected));
  }
  flush_outbox();
}

bool Engine::append(const std::vector<event::Event>& events, const std::vector<Note>& notes,
                    std::vector<event::Position>& positions) {
  if (events.empty() && notes.empty()) return true;
  auto appended = log_.append(events, notes, now());
  if (!appended) {
    counters_.commit_failures.add();
    if (!is_broken_) log_error(appended.error().text() + "; posts are refused until it can");
    is_broken_ = true;
    return false;
  }
  counters_.commits.add();
  if (is_broken_) log_info("event log writes again");
  is_broken_ = false;
  positions = std::move(*appended);
  return true;
}

void Engine::flush_outbox() {
  if (core_.outbox().empty()) return;
  std::vector<event::Position> positions;
  if (append(core_.outbox().events, core_.outbox().notes, positions)) core_.outbox_is_durable();
}

void Engine::tick() {
  core_.advance(now());
  flush_outbox();
  followers_.serve(now());
  if (now() >= next_trim_) {
    const bool is_behind = log_.trim(now() - options_.retention, kTrimAtOnce) == kTrimAtOnce;
    next_trim_ = is_behind ? now() : now() + kTrimEvery;
  }
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
}

}  // namespace isochrone::collector
