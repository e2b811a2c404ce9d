// SPDX-License-Identifier: Apache-2.0
#include "lab/occupants.h"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <string>

#include "base/text.h"

namespace isochrone::lab {
namespace {

// Which network namespace a process is in; empty when it is gone or not ours to ask.
std::optional<ino_t> network_namespace(pid_t pid) {
  struct stat found {};
  if (::stat(("/proc/" + std::to_string(pid) + "/ns/net").c_str(), &found) != 0)
    return std::nullopt;
  return found.st_ino;
}

std::vector<pid_t> occupants_of(const std::set<ino_t>& namespaces,
                                const std::vector<pid_t>& holders) {
  std::vector<pid_t> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const auto pid = parse_number<pid_t>(entry.path().filename().string());
    if (!pid || std::find(holders.begin(), holders.end(), *pid) != holders.end()) continue;
    const auto network = network_namespace(*pid);
    if (network && namespaces.contains(*network)) found.push_back(*pid);
  }
  return found;
}

}  // namespace

void end_occupants(const std::vector<pid_t>& holders) {
  std::set<ino_t> namespaces;
  for (const pid_t holder : holders) {
    if (const auto network = network_namespace(holder)) namespaces.insert(*network);
  }
  // A holder that failed early may still be in the namespace of this very process: never that one.
  if (const auto ours = network_namespace(::getpid())) namespaces.erase(*ours);
  for (const pid_t pid : occupants_of(namespaces, holders)) ::kill(pid, SIGTERM);
  constexpr Millis kStep{20};
  for (Millis waited{0}; waited < kOccupantPatience; waited += kStep) {
    if (occupants_of(namespaces, holders).empty()) return;
    ::poll(nullptr, 0, static_cast<int>(kStep.count()));
  }
  for (const pid_t pid : occupants_of(namespaces, holders)) ::kill(pid, SIGKILL);
}

}  // namespace isochrone::lab
