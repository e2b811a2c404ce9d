// SPDX-License-Identifier: Apache-2.0
//
// Listening: a TCP socket that waits for connections.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "base/ip.h"
#include "base/result.h"

namespace isochrone {

// Bound and listening, non-blocking; port 0 takes a free one. SO_REUSEADDR, so that a restart need
// not wait for the connections of the life before.
Result<Fd> listen_tcp(const Endpoint& endpoint);

// The port a socket is bound to, 0 when it is not bound.
std::uint16_t bound_port(const Fd& socket);

}  // namespace isochrone
