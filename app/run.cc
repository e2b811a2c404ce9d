// SPDX-License-Identifier: Apache-2.0
//
// The commands `isochrone run` and `isochrone replace`: a node from its start, alone or in another's
// place, until it is told to end or is replaced.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include "app/commands.h"
#include "app/config.h"
#include "app/control.h"
#include "app/hand_over.h"
#include "app/notifier.h"
#include "app/privileges.h"
#include "app/roles.h"
#include "app/take_over.h"
#include "app/trial.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "base/loop.h"
#include "dns/server.h"

namespace isochrone::app {
namespace {

int failed(std::string_view what, const std::vector<Error>& errors) {
  for (const Error& error : errors) log_error(error.text());
  log_error(fmt::format("{} errors={}", what, errors.size()));
  return 1;
}

std::vector<Error> only(const Error& error) { return {error}; }

class Run {
 public:
  // `started` is closed when the node is ready, and gets an octet then.
  explicit Run(std::filesystem::path file, Fd started = {})
      : file_(std::move(file)), started_(std::move(started)) {}

  int run() {
    auto config = load_config(file_);
    if (!config) return failed("not started", config.error());
    set_log_level(config->node.log_level);
    if (const auto limited = limit_privileges(*config); !limited) {
      return failed("not started", only(limited.error()));
    }
    auto roles = Roles::start(*config);
    if (!roles) return failed("not started", roles.error());
    roles_ = std::move(*roles);
    running_ = *config;
    auto control = listen_unix(control_path(config->node.state_dir));
    // Two nodes may share a folder when neither answers DNS nor collects.
    if (!control) log_warning(control.error().within("no control socket").text());
    return serve(*config, control ? std::move(*control) : Fd());
  }

  int replace() {
    constexpr std::string_view kNot = "not replaced, the running process goes on";
    auto config = load_config(file_);
    if (!config) return failed(kNot, config.error());
    set_log_level(config->node.log_level);
    if (const auto limited = limit_privileges(*config); !limited) {
      return failed(kNot, only(limited.error()));
    }
    auto other = TakeOver::begin(config->node.state_dir);
    if (!other) return failed(kNot, only(other.error()));
    other_ = std::move(*other);
    Fd control;
    if (auto taken = take_over(*config, control); !taken) {
      failed(kNot, taken.error());
      // DNS answers until the other says that it does again.
      if (roles_) roles_->release();
      other_->failed(taken.error().empty() ? "" : taken.error().front().text(),
                     roles_ ? roles_->counters() : Metrics::Counters());
      if (roles_) drain();
      return 1;
    }
    running_ = *config;
    notifier_ = other_->notifier();
    other_->follow(loop_, *roles_);
    return serve(*config, std::move(control));
  }

 private:
  Checked<void> take_over(const Config& config, Fd& control);

  // Connections that were taken here meanwhile are served to their end.
  void drain() {
    Wakeup drained(loop_, [this] { loop_.stop(); });
    roles_->drain([&drained] { drained.notify(); });
    loop_.run();
  }

  int serve(const Config& config, Fd listener) {
    const auto path = control_path(config.node.state_dir);
    if (listener) {
      control_.emplace(
          loop_, std::move(listener),
          Control::Handlers{[this](const std::string& zone) { return reload(zone); },
                            [this](UnixChannel channel) { hand_over_->begin(std::move(channel)); },
                            [this](const TrialOrder& order) { return obey(order); }});
      hand_over_.emplace(loop_, *roles_, notifier_, *control_, [this] { loop_.stop(); });
    }
    roles_->set_collector_is_stale([this] { stale_.notify(); });
    tell_ready();
    if (const auto interval = notifier_.watchdog()) watchdog_.start(*interval, *interval);
    loop_.run();
    const bool is_replaced = hand_over_ && hand_over_->is_done();
    if (!is_replaced) notifier_.stopping();
    if (hand_over_) hand_over_->call_off();
    if (control_ && !is_replaced) ::unlink(path.c_str());
    roles_->set_collector_is_stale({});
    roles_.reset();
    log_info("stopped");
    return status_;
  }

  // Its shared log lost what it had acknowledged. DNS goes on meanwhile; when it cannot be, whoever watches
  // over this process starts another.
  void begin_collector_anew() {
    const auto begun = roles_->begin_collector_anew();
    if (begun) return;
    status_ = failed("the collector cannot begin anew", begun.error());
    loop_.stop();
  }

  void tell_ready() {
    log_info(fmt::format("ready {} took_ms={}", roles_->describe(),
                         std::chrono::duration_cast<Millis>(loop_.now() - began_).count()));
    notifier_.ready(roles_->describe());
    if (started_) (void)!::write(started_.get(), "+", 1);
    started_.reset();
  }

  void end() {
    log_info("stopping");
    loop_.stop();
  }

  std::vector<Error> reload(const std::string& zone) {
    if (hand_over_ && hand_over_->is_busy()) {
      const Error error(Errc::unavailable, "another process is replacing this one; ask that one");
      failed("reload refused, nothing changed", only(error));
      return only(error);
    }
    if (zone.empty() && trial_.is_on()) {
      const Error error(Errc::unavailable,
                        trial_.status()->file.string() + " is on trial; confirm or undo it first");
      failed("reload refused, nothing changed", only(error));
      return only(error);
    }
    notifier_.reloading();
    if (zone.empty()) roles_->reopen_logs();  // whatever becomes of the rest
    const auto reloaded = zone.empty() ? take_configuration() : roles_->reload_zone(zone);
    if (!reloaded) {
      failed("reload refused, nothing changed", reloaded.error());
    } else if (zone.empty()) {
      log_info(fmt::format("reloaded {}", roles_->describe()));
    } else {
      log_info(fmt::format("reloaded zone={}", zone));
    }
    notifier_.ready(roles_->describe());
    return reloaded ? std::vector<Error>() : reloaded.error();
  }

  Checked<void> take_configuration() {
    auto config = load_config(file_);
    if (!config) return tl::unexpected(config.error());
    return take(*config);
  }

  Checked<void> take(const Config& config) {
    if (config.node.has_dns) {
      if (auto wrong = dns::check_zones(config.dns, config.topology); !wrong.empty()) {
        return tl::unexpected(std::move(wrong));
      }
    }
    if (auto reloaded = roles_->reload(config); !reloaded) return reloaded;
    set_log_level(config.node.log_level);
    running_ = config;
    return {};
  }

  TrialReply obey(const TrialOrder& order) {
    TrialReply reply;
    Checked<void> done;
    if (hand_over_ && hand_over_->is_busy()) {
      done =
          tl::unexpected(only(Error(Errc::unavailable, "another process is replacing this one")));
    } else if (order.what == "begin") {
      done = trial_.begin(order.file, order.patience, *running_);
    } else if (order.what == "confirm") {
      done = trial_.confirm();
    } else if (order.what == "undo") {
      done = trial_.undo();
    }
    if (!done) reply.errors = done.error();
    if (const auto status = trial_.status()) {
      reply.file = status->file;
      reply.digest = status->digest;
      reply.left = std::chrono::ceil<Seconds>(status->left);
    }
    return reply;
  }

  std::filesystem::path file_;
  Fd started_;
  Notifier notifier_;
  std::unique_ptr<Roles> roles_;
  Loop loop_;
  const Monotonic began_ = loop_.now();
  // Watched before the roles start: a signal that comes meanwhile waits for the loop.
  SignalWatch on_term_{loop_, SIGTERM, [this] { end(); }};
  SignalWatch on_int_{loop_, SIGINT, [this] { end(); }};
  SignalWatch on_hup_{loop_, SIGHUP, [this] { reload({}); }};
  Wakeup stale_{loop_, [this] { begin_collector_anew(); }};
  int status_ = 0;
  std::optional<Config> running_;
  Trial trial_{loop_, file_, [this](const Config& config) { return take(config); }};
  Timer watchdog_{loop_, [this] { notifier_.alive(); }};
  std::unique_ptr<TakeOver> other_;  // that was replaced
  std::optional<Control> control_;
  std::optional<HandOver> hand_over_;
};

Checked<void> Run::take_over(const Config& config, Fd& control) {
  const auto wrong = [](const Error& error) { return tl::unexpected(only(error)); };
  auto prepared = Roles::prepare(config, other_->offer());
  if (!prepared) return tl::unexpected(prepared.error());
  roles_ = std::move(*prepared);
  auto estate = other_->sockets(control);
  if (!estate) return wrong(estate.error());
  if (auto served = roles_->serve_dns(*estate); !served) return served;
  // From here on the other may be gone, and then this one is the node.
  const auto tolerate = [](const Error& error) {
    if (error.code() == Errc::unavailable) log_warning(error.within("replacing").text());
    return error.code() == Errc::unavailable;
  };
  auto counters = other_->serving();
  if (!counters && !tolerate(counters.error())) return wrong(counters.error());
  if (counters) roles_->set_earlier(std::move(*counters));
  if (auto taken = roles_->take_over(*estate); !taken) return taken;
  if (auto ready = other_->ready(); !ready && !tolerate(ready.error())) return wrong(ready.error());
  return {};
}

// The caller's process waits for the node to be ready, and the node lives on in another.
int replace_in_background(const std::filesystem::path& config) {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return failed("no pipe", {});
  const Fd ready(ends[0]);
  Fd started(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return failed("cannot fork", {});
  if (child == 0) {
    ::setsid();
    const Fd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
    ::dup2(nothing.get(), STDIN_FILENO);
    ::dup2(nothing.get(), STDOUT_FILENO);
    return Run(config, std::move(started)).replace();
  }
  started.reset();
  char octet = 0;
  if (::read(ready.get(), &octet, 1) == 1) return 0;
  int status = 0;
  ::waitpid(child, &status, 0);
  return 1;
}

void prepare_process() {
  // A peer that goes away is an error of that write, not the end of the process.
  ::signal(SIGPIPE, SIG_IGN);
  // Likewise a file that may grow no further.
  ::signal(SIGXFSZ, SIG_IGN);
  raise_descriptor_limit();
}

}  // namespace

int run_command(const RunArguments& arguments) {
  prepare_process();
  return Run(arguments.config).run();
}

int replace_command(const ReplaceArguments& arguments) {
  prepare_process();
  if (arguments.detach) return replace_in_background(arguments.config);
  return Run(arguments.config).replace();
}

}  // namespace isochrone::app
