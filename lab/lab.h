// SPDX-License-Identifier: Apache-2.0
//
// Lab: an Internet in a box, from its start to its end, in the foreground.
//
// Needs:     see lab/namespaces.h. Must be the only thread of its process when it starts.
// Leaves:    nothing: sockets and files of the state directory go when it ends; namespaces and
// devices
//            go even when it is killed.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "lab/plan.h"

namespace isochrone::lab {

struct Options {
  std::filesystem::path rtt_file;
  PlanOptions plan;
  Micros jitter{200};
  double loss = 0.001;
  std::filesystem::path state_dir;  // made when missing, readable for its owner only
};

// $XDG_RUNTIME_DIR/isochrone-lab, or /tmp/isochrone-lab.
std::filesystem::path default_state_dir();
std::filesystem::path control_socket(const std::filesystem::path& state_dir);
// What a program needs to know of a running lab; written when it is ready, so its existence says
// so.
std::filesystem::path description_file(const std::filesystem::path& state_dir);

// Runs until SIGINT, SIGTERM or the command `stop`. `tell` gets one line per step for people.
Result<void> run(const Options& options, const std::function<void(const std::string&)>& tell);

}  // namespace isochrone::lab
