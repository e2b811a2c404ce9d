// SPDX-License-Identifier: Apache-2.0
//
// Commands: what the running lab does when it is told something over its control socket.
//
// Requests: one JSON object with "command": status | truth | path | cut | restore | loss | node |
// stop
//           and the members docs/lab.md lists. Answers: {"ok": true, ...} or {"error": "..."}.
// Threads:  the loop's.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "lab/emulator.h"
#include "lab/plan.h"
#include "lab/wan.h"

namespace isochrone::lab {

struct CommandContext {
  const Plan& plan;
  Wan& wan;
  const Emulator& emulator;
  const std::vector<pid_t>& holders;  // by node
  Monotonic started{};
  bool is_realtime = false;
  std::function<Monotonic()> now;
  std::function<void()> stop;
};

std::string execute(const CommandContext& context, std::string_view request);

}  // namespace isochrone::lab
