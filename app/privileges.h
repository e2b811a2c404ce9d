// SPDX-License-Identifier: Apache-2.0
//
// Privileges: what the process gives up before it opens anything.
//
// A service manager cannot know the roles: the unit grants what the most demanding needs, and a node that
//           does not probe gives the raw sockets back. Root keeps its own: who starts it so means it.
// Threads:  capabilities are per thread and inherited: call it before there is another.
#pragma once

#include "app/config.h"

namespace isochrone::app {

// Keeps CAP_NET_BIND_SERVICE, CAP_NET_RAW for a prober, and what AF_XDP needs where it is configured; no
// file the process might execute gives more.
Result<void> limit_privileges(const Config& config);

}  // namespace isochrone::app
