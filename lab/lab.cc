// SPDX-License-Identifier: Apache-2.0
#include "lab/lab.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "base/loop.h"
#include "lab/commands.h"
#include "lab/control.h"
#include "lab/description.h"
#include "lab/emulator.h"
#include "lab/matrix.h"
#include "lab/namespaces.h"
#include "lab/occupants.h"
#include "lab/wan.h"
#include "lab/yardstick.h"

namespace isochrone::lab {
namespace {

// The children that hold the namespaces; they end with this.
class Holders {
 public:
  Holders() = default;
  Holders(const Holders&) = delete;
  Holders& operator=(const Holders&) = delete;
  ~Holders() {
    end_occupants(pids_);
    for (const pid_t pid : pids_) ::kill(pid, SIGKILL);
    for (const pid_t pid : pids_) ::waitpid(pid, nullptr, 0);
  }
  // Makes the namespace of each node and returns its devices in the same order.
  Result<std::vector<Fd>> hold(const Plan& plan) {
    std::vector<Fd> links;
    for (const Node& node : plan.nodes) {
      const bool is_idle =
          node.kind == NodeKind::resolver;  // nobody's traffic disturbs the yardstick
      auto held = hold_namespace(node, is_idle ? run_yardstick : std::function<void()>());
      if (!held) return tl::unexpected(held.error());
      pids_.push_back(held->holder);
      links.push_back(std::move(held->tun));
    }
    return links;
  }
  const std::vector<pid_t>& pids() const noexcept { return pids_; }

 private:
  std::vector<pid_t> pids_;
};

// A file that appears complete or not at all, and goes with its owner.
class PublishedFile {
 public:
  static Result<PublishedFile> write(const std::filesystem::path& file, const std::string& text) {
    const std::filesystem::path draft = file.string() + ".new";
    std::ofstream out(draft);
    out << text << '\n' << std::flush;
    if (!out.good() || ::rename(draft.c_str(), file.c_str()) != 0) {
      return fail_errno("cannot write " + file.string(), errno);
    }
    return PublishedFile(file);
  }
  PublishedFile(PublishedFile&& other) noexcept : file_(std::exchange(other.file_, {})) {}
  PublishedFile& operator=(PublishedFile&&) = delete;
  ~PublishedFile() {
    std::error_code ignored;
    if (!file_.empty()) std::filesystem::remove(file_, ignored);
  }

 private:
  explicit PublishedFile(std::filesystem::path file) : file_(std::move(file)) {}
  std::filesystem::path file_;
};

// Ours alone: another user's directory under /tmp must not receive our socket.
Result<void> make_state_dir(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory.parent_path(), error);
  if (::mkdir(directory.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return fail_errno("cannot make " + directory.string(), errno);
  }
  struct stat found {};
  if (::lstat(directory.c_str(), &found) != 0 || !S_ISDIR(found.st_mode) ||
      found.st_uid != ::geteuid()) {
    return fail(Errc::invalid,
                directory.string() + " is not a directory of ours; choose another --state");
  }
  return {};
}

struct Parts {
  const Options& options;
  const Plan& plan;
  const RttMatrix& matrix;
  const Holders& holders;
};

Result<void> serve(const Parts& parts, std::vector<Fd> links,
                   const std::function<void(const std::string&)>& tell) {
  Loop loop;
  Wan wan(parts.plan, parts.matrix,
          {parts.options.jitter, parts.options.loss, parts.options.plan.seed});
  Emulator emulator(loop, parts.plan, wan, std::move(links));
  const CommandContext context{parts.plan,
                               wan,
                               emulator,
                               parts.holders.pids(),
                               loop.now(),
                               claim_realtime(),
                               [&loop] { return loop.now(); },
                               [&loop] { loop.stop(); }};
  const auto control =
      ControlServer::open(loop, control_socket(parts.options.state_dir),
                          [&](std::string_view request) { return execute(context, request); });
  if (!control) return tl::unexpected(control.error());
  const SignalWatch on_interrupt(loop, SIGINT, [&loop] { loop.stop(); });
  const SignalWatch on_terminate(loop, SIGTERM, [&loop] { loop.stop(); });
  const auto description =
      PublishedFile::write(description_file(parts.options.state_dir),
                           describe_lab(parts.options, parts.plan, wan, parts.holders.pids()));
  if (!description) return tl::unexpected(description.error());
  tell(fmt::format("ready: {}", description_file(parts.options.state_dir).string()));
  loop.run();
  return {};
}

}  // namespace

std::filesystem::path default_state_dir() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  const bool is_set = runtime != nullptr && *runtime != '\0';
  return std::filesystem::path(is_set ? runtime : "/tmp") / "isochrone-lab";
}

std::filesystem::path control_socket(const std::filesystem::path& state_dir) {
  return state_dir / "control.sock";
}

std::filesystem::path description_file(const std::filesystem::path& state_dir) {
  return state_dir / "lab.json";
}

Result<void> run(const Options& options, const std::function<void(const std::string&)>& tell) {
  const auto matrix = RttMatrix::read(options.rtt_file);
  if (!matrix) return tl::unexpected(matrix.error());
  const auto plan = make_plan(*matrix, options.plan);
  if (!plan) return tl::unexpected(plan.error().within(options.rtt_file.string()));
  if (auto made = make_state_dir(options.state_dir); !made) return made;
  const auto is_rootless = gain_network_privileges();
  if (!is_rootless) return tl::unexpected(is_rootless.error());
  tell(fmt::format("{} sites, {} client networks, {} namespaces{}", plan->sites(),
                   plan->networks.size(), plan->nodes.size(),
                   *is_rootless ? " in a user namespace" : ""));
  Holders holders;
  auto links = holders.hold(*plan);
  if (!links) return tl::unexpected(links.error());
  return serve({options, *plan, *matrix, holders}, std::move(*links), tell);
}

}  // namespace isochrone::lab
