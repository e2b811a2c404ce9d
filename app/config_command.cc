// SPDX-License-Identifier: Apache-2.0
//
// The command `isochrone config`: what a new configuration would change, and taking it so that it is undone
// by itself unless it is confirmed.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "app/api.h"
#include "app/commands.h"
#include "app/config.h"
#include "app/control.h"
#include "app/replay_report.h"
#include "base/fd.h"
#include "base/sha256.h"
#include "base/text.h"

namespace isochrone::app {
namespace {

// A commit needs its time to be seen, and an operator to go for help.
constexpr Seconds kLeastPatience{1};
constexpr Seconds kMostPatience{24 * 3'600};

int complain_of(const std::vector<Error>& errors) {
  for (const Error& error : errors) complain(error);
  return errors.empty() ? 0 : 1;
}

struct Candidate {
  Config running;
  Config next;
};

tl::expected<Candidate, std::vector<Error>> load_both(const ConfigArguments& arguments) {
  auto running = load_config(arguments.config);
  if (!running) return tl::unexpected(running.error());
  const auto text = read_config(arguments.candidate);
  if (!text) return tl::unexpected(text.error());
  auto next = parse_config_of(*text, arguments.candidate, arguments.config);
  if (!next) return tl::unexpected(next.error());
  return Candidate{std::move(*running), std::move(*next)};
}

Result<std::string> forecast(const ConfigArguments& arguments, const Candidate& candidate) {
  ReplayArguments replay;
  replay.api = arguments.api;
  replay.since = arguments.since;
  replay.json = arguments.json;
  return replay_between(candidate.running, candidate.next, replay);
}

// The file has the text from now on, or what it had: never half of it, also after a crash. Who may read and
// write it stays.
Result<void> replace_file(const std::filesystem::path& named, std::string_view text) {
  std::error_code missing;
  const auto file = std::filesystem::canonical(named, missing);
  if (missing) return fail(Errc::io, named.string() + ": " + missing.message());
  struct stat before {};
  if (::stat(file.c_str(), &before) != 0) return fail_errno("cannot read " + file.string(), errno);
  const std::string temporary = file.string() + ".new";
  const Fd out(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!out) return fail_errno("cannot create " + temporary, errno);
  // Another owner may be none of ours to give.
  static_cast<void>(!::fchown(out.get(), before.st_uid, before.st_gid));
  if (::fchmod(out.get(), before.st_mode & 07777) != 0) {
    return fail_errno("cannot set the mode of " + temporary, errno);
  }
  while (!text.empty()) {
    const ssize_t count = ::write(out.get(), text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("cannot write " + temporary, errno);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  if (::fsync(out.get()) != 0) return fail_errno("cannot write " + temporary, errno);
  if (::rename(temporary.c_str(), file.c_str()) != 0) {
    return fail_errno("cannot replace " + file.string(), errno);
  }
  const Fd folder(::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) static_cast<void>(::fsync(folder.get()));
  return {};
}

int diff(const ConfigArguments& arguments) {
  const auto candidate = load_both(arguments);
  if (!candidate) return complain_of(candidate.error());
  const auto text = forecast(arguments, *candidate);
  if (!text) return complain(text.error());
  fmt::print("{}", *text);
  return 0;
}

int apply(const ConfigArguments& arguments) {
  const auto patience = parse_duration(arguments.confirm);
  if (!patience || *patience < kLeastPatience || *patience > kMostPatience) {
    return complain(Error(Errc::invalid, "--confirm " + arguments.confirm +
                                             ": should be a duration from 1s to 24h, like 5m"));
  }
  const auto candidate = load_both(arguments);
  if (!candidate) return complain_of(candidate.error());
  const auto text = forecast(arguments, *candidate);
  if (text) fmt::print("{}\n", *text);
  // A new node has nothing to forecast from; that is no reason to leave it as it is.
  if (!text) fmt::print(stderr, "isochrone: no forecast: {}\n", text.error().text());
  std::error_code ignored;
  const TrialOrder order{"begin", std::filesystem::absolute(arguments.candidate, ignored),
                         std::chrono::ceil<Seconds>(*patience)};
  const auto reply = ask_about_trial(candidate->running.node.state_dir, order);
  if (!reply.errors.empty()) return complain_of(reply.errors);
  fmt::print("{} is on trial, and undone in {} unless you say: isochrone config confirm\n",
             arguments.candidate.string(), format_duration(reply.left));
  return 0;
}

int confirm(const ConfigArguments& arguments) {
  const auto running = load_config(arguments.config);
  if (!running) return complain_of(running.error());
  const auto& state_dir = running->node.state_dir;
  const auto trial = ask_about_trial(state_dir, {"status", {}, {}});
  if (!trial.errors.empty()) return complain_of(trial.errors);
  if (trial.file.empty()) {
    return complain(
        Error(Errc::not_found, "no configuration is on trial; see isochrone config apply"));
  }
  const auto text = read_config(trial.file);
  if (!text) return complain_of(text.error());
  if (to_hex(sha256(*text)) != trial.digest) {
    return complain(Error(Errc::invalid, trial.file.string() +
                                             " is not what is on trial any more; undo that, or put "
                                             "the file back as it was"));
  }
  // First the file: should this end in between, the process finds it there and takes that for the word.
  if (auto replaced = replace_file(arguments.config, *text); !replaced) {
    return complain(replaced.error());
  }
  const auto reply = ask_about_trial(state_dir, {"confirm", {}, {}});
  if (!reply.errors.empty()) return complain_of(reply.errors);
  fmt::print("{} is {} from now on\n", arguments.config.string(), trial.file.string());
  return 0;
}

int undo(const ConfigArguments& arguments) {
  const auto running = load_config(arguments.config);
  if (!running) return complain_of(running.error());
  const auto reply = ask_about_trial(running->node.state_dir, {"undo", {}, {}});
  if (!reply.errors.empty()) return complain_of(reply.errors);
  fmt::print("what ran before runs again\n");
  return 0;
}

}  // namespace

int config_command(const ConfigArguments& arguments) {
  if (arguments.what == "diff") return diff(arguments);
  if (arguments.what == "apply") return apply(arguments);
  if (arguments.what == "confirm") return confirm(arguments);
  return undo(arguments);
}

}  // namespace isochrone::app
