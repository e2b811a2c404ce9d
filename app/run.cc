// SPDX-License-Identifier: Apache-2.0
//
// The command `isochrone run`: starts the roles and hears signals until it is told to end.
#include <fmt/format.h>
#include <signal.h>

#include <optional>

#include "app/commands.h"
#include "app/config.h"
#include "app/notifier.h"
#include "app/privileges.h"
#include "app/roles.h"
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

class Run {
 public:
  explicit Run(std::filesystem::path file) : file_(std::move(file)) {}

  int run() {
    const Monotonic began = loop_.now();
    auto config = load_config(file_);
    if (!config) return failed("not started", config.error());
    set_log_level(config->node.log_level);
    if (const auto limited = limit_privileges(*config); !limited) {
      return failed("not started", {limited.error()});
    }
    auto roles = Roles::start(*config);
    if (!roles) return failed("not started", roles.error());
    roles_ = std::move(*roles);
    log_info(fmt::format("ready {} took_ms={}", roles_->describe(),
                         std::chrono::duration_cast<Millis>(loop_.now() - began).count()));
    notifier_.ready(roles_->describe());
    if (const auto interval = notifier_.watchdog()) watchdog_.start(*interval, *interval);
    loop_.run();
    notifier_.stopping();
    roles_.reset();
    log_info("stopped");
    return 0;
  }

 private:
  void end() {
    log_info("stopping");
    loop_.stop();
  }

  void reload() {
    notifier_.reloading();
    if (auto reloaded = take_configuration(); !reloaded) {
      failed("reload refused, nothing changed", reloaded.error());
    } else {
      log_info(fmt::format("reloaded {}", roles_->describe()));
    }
    notifier_.ready(roles_->describe());
  }

  Checked<void> take_configuration() {
    auto config = load_config(file_);
    if (!config) return tl::unexpected(config.error());
    if (config->node.has_dns) {
      if (auto wrong = dns::check_zones(config->dns, config->topology); !wrong.empty()) {
        return tl::unexpected(std::move(wrong));
      }
    }
    if (auto reloaded = roles_->reload(*config); !reloaded) return reloaded;
    set_log_level(config->node.log_level);
    return {};
  }

  std::filesystem::path file_;
  Notifier notifier_;
  std::unique_ptr<Roles> roles_;
  Loop loop_;
  // Watched before the roles start: a signal that comes meanwhile waits for the loop.
  SignalWatch on_term_{loop_, SIGTERM, [this] { end(); }};
  SignalWatch on_int_{loop_, SIGINT, [this] { end(); }};
  SignalWatch on_hup_{loop_, SIGHUP, [this] { reload(); }};
  Timer watchdog_{loop_, [this] { notifier_.alive(); }};
};

}  // namespace

int run_command(const RunArguments& arguments) {
  // A peer that goes away is an error of that write, not the end of the process.
  ::signal(SIGPIPE, SIG_IGN);
  // Likewise a file that may grow no further.
  ::signal(SIGXFSZ, SIG_IGN);
  raise_descriptor_limit();
  return Run(arguments.config).run();
}

}  // namespace isochrone::app
