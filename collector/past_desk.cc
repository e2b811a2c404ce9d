// SPDX-License-Identifier: Apache-2.0
#include "collector/past_desk.h"

#include <future>
#include <utility>

#include "collector/answers.h"
#include "collector/queries.h"

namespace isochrone::collector {

PastDesk::PastDesk(Engine& engine, const EventLog& log) : engine_(engine), log_(log) {
  std::promise<Mailbox<Question>*> ready;
  auto made = ready.get_future();
  worker_ = std::make_unique<Worker>("past", std::nullopt, [&ready](Loop& loop) {
    work_in_background();
    Mailbox<Question> questions(loop, [](const std::vector<Question>& due) {
      for (const Question& question : due) question();
    });
    ready.set_value(&questions);
    loop.run();
  });
  questions_ = made.get();
}

PastDesk::~PastDesk() {
  is_stopping_ = true;
  worker_->stop();
}

HttpResponse PastDesk::ask(const HttpRequest& request) {
  if (waiting_.fetch_add(1) >= kMaxWaiting) {
    --waiting_;
    return come_again(Seconds(5), "too many questions about the past wait already");
  }
  HttpResponse response;
  response.later = [this, request](std::shared_ptr<HttpReplyLater> reply) {
    questions_->post([this, request, reply = std::move(reply)] {
      answer(reply, request);
      --waiting_;
    });
  };
  return response;
}

void PastDesk::answer(const std::shared_ptr<HttpReplyLater>& reply, const HttpRequest& request) {
  // The engine answers at once, and lives longer than this.
  const auto asked = std::make_shared<std::promise<std::pair<PastSetup, Instant>>>();
  engine_.ask([asked](Engine& engine) { asked->set_value({past_setup(engine), engine.now()}); });
  const auto [setup, now] = asked->get_future().get();
  // Nobody waits for the answer any more: nothing is worth reading.
  const auto goes_on = [&] { return !is_stopping_ && reply->is_open(); };
  const auto query = request.path == "/v1/changes" ? query_changes : query_past_route;
  static_cast<void>(reply->reply(query(log_, setup, now, request, goes_on)));
}

}  // namespace isochrone::collector
