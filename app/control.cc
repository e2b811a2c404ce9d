// SPDX-License-Identifier: Apache-2.0
#include "app/control.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace isochrone::app {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxVisitors = 16;  // a few commands at once; more are closed
// Errors beyond it are left out: who corrects these sees the rest the next time.
constexpr std::size_t kMaxErrors = 100;
constexpr Millis kReloadPatience{600'000};  // a very large zone on a slow disk

std::string to_text(const json& message) {
  return message.dump(-1, ' ', false, json::error_handler_t::replace);
}

json errors_as_json(const std::vector<Error>& errors) {
  json texts = json::array();
  for (std::size_t i = 0; i < errors.size() && i < kMaxErrors; ++i) {
    texts.push_back(errors[i].text().substr(0, 1'000));
  }
  return texts;
}

std::vector<Error> errors_from_json(const json& said) {
  std::vector<Error> errors;
  for (const json& text : said.value("errors", json::array())) {
    errors.emplace_back(Errc::invalid, text.get<std::string>());
  }
  return errors;
}

TrialOrder trial_from_json(const json& asked) {
  return {asked.value("what", ""), asked.value("file", ""), Seconds(asked.value("patience_s", 0))};
}

json trial_as_json(const TrialReply& reply) {
  return {{"errors", errors_as_json(reply.errors)},
          {"file", reply.file.string()},
          {"digest", reply.digest},
          {"left_s", reply.left.count()}};
}

// Sends a question and waits for its answer; an Error when nobody gives one.
Result<json> ask(const std::filesystem::path& state_dir, const json& question) {
  auto channel = UnixChannel::connect(control_path(state_dir));
  if (!channel) {
    return tl::unexpected(
        channel.error().within("no process runs with node.state-dir " + state_dir.string()));
  }
  if (auto sent = channel->send(to_text(question)); !sent) return tl::unexpected(sent.error());
  const auto reply = channel->receive(kReloadPatience);
  if (!reply) return tl::unexpected(reply.error());
  json said = json::parse(reply->text, nullptr, false);
  if (!said.is_object()) return fail(Errc::invalid, "the process gave no answer that is one");
  return said;
}

}  // namespace

struct Control::Visitor {
  UnixChannel channel;
  std::unique_ptr<Poll> poll;
};

std::filesystem::path control_path(const std::filesystem::path& state_dir) {
  return state_dir / "control.sock";
}

Control::Control(Loop& loop, Fd listener, Handlers handlers)
    : loop_(loop),
      listener_(std::move(listener)),
      handlers_(std::move(handlers)),
      poll_(loop, listener_.get(), [this](unsigned) { accept(); }) {
  poll_.watch(Poll::readable);
}

Control::~Control() = default;

void Control::accept() {
  auto channel = accept_unix(listener_);
  if (!channel || visitors_.size() >= kMaxVisitors) return;
  Visitor& visitor = *visitors_.emplace_back(std::make_unique<Visitor>());
  visitor.channel = std::move(*channel);
  visitor.poll = std::make_unique<Poll>(loop_, visitor.channel.fd(),
                                        [this, &visitor](unsigned) { serve(visitor); });
  visitor.poll->watch(Poll::readable);
}

void Control::serve(Visitor& visitor) {
  const auto message = visitor.channel.receive(Millis(0));
  const json asked = message ? json::parse(message->text, nullptr, false) : json();
  visitor.poll->stop();
  UnixChannel channel = std::move(visitor.channel);
  std::erase_if(visitors_, [&](const auto& each) { return each.get() == &visitor; });
  if (!asked.is_object()) return;
  const std::string what = asked.value("do", "");
  if (what == "replace") return handlers_.replace(std::move(channel));
  if (what == "trial") {
    (void)channel.send(to_text(trial_as_json(handlers_.trial(trial_from_json(asked)))));
    return;
  }
  if (what != "reload") return;
  const auto errors = handlers_.reload(asked.value("zone", ""));
  // One that went away meanwhile does not hear it; the log has it too.
  (void)channel.send(to_text({{"errors", errors_as_json(errors)}}));
}

std::vector<Error> ask_to_reload(const std::filesystem::path& state_dir, const std::string& zone) {
  const auto said = ask(state_dir, {{"do", "reload"}, {"zone", zone}});
  return said ? errors_from_json(*said) : std::vector<Error>{said.error()};
}

TrialReply ask_about_trial(const std::filesystem::path& state_dir, const TrialOrder& order) {
  const auto said = ask(state_dir, {{"do", "trial"},
                                    {"what", order.what},
                                    {"file", order.file.string()},
                                    {"patience_s", order.patience.count()}});
  if (!said) return {{said.error()}, {}, {}, {}};
  return {errors_from_json(*said), said->value("file", ""), said->value("digest", ""),
          Seconds(said->value("left_s", 0))};
}

}  // namespace isochrone::app
