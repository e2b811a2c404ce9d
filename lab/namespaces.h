// SPDX-License-Identifier: Apache-2.0
//
// Namespaces: the network namespace of each node, held by a child process that dies with us.
//
// Isolation: a namespace has lo and one TUN device, wan0, whose other end is the returned
// descriptor.
//            Nothing leads out of the lab.
// Cleaning:  nothing has a name in the file system; when this process ends, however it ends, the
//            kernel ends the holders (PR_SET_PDEATHSIG) and with them namespaces and devices.
// Threads:   call from the main thread before any other thread exists.
// Needs:     iproute2's `ip`; root, or a kernel that grants user namespaces and /dev/net/tun.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "lab/plan.h"

namespace isochrone::lab {

struct HeldNamespace {
  pid_t holder = -1;
  Fd tun;  // non-blocking; one read or write is one IP packet
};

// Makes sure that this process may make network namespaces: as root nothing is needed, else it
// moves into a user namespace of its own, where it is root. Returns whether it did.
Result<bool> gain_network_privileges();

// `then` runs in the holder once the namespace is ready, for as long as it likes.
Result<HeldNamespace> hold_namespace(const Node& node, const std::function<void()>& then = {});

// Moves this process into the network namespace of `holder`, and into its user namespace when that
// is not ours.
Result<void> enter_namespaces(pid_t holder);

// Becomes `command` in there. Returns only when it failed.
Error exec_inside(pid_t holder, const std::vector<std::string>& command);

}  // namespace isochrone::lab
