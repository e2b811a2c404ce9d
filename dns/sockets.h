// SPDX-License-Identifier: Apache-2.0
//
// Sockets: what a server listens on, bound before it starts.
//
// Sharing:  SO_REUSEPORT lets each worker have a socket of its own, and would as well let a second
//           instance take half of the queries unseen (ROBUSTNESS section 2). So each address is first
//           bound without it, which fails when anyone else is there, and the state directory holds a
//           lock. Sockets that were inherited are bound already; one bound beside them joins their
//           group.
#pragma once

#include <filesystem>
#include <vector>

#include "base/fd.h"
#include "base/ip.h"
#include "base/result.h"
#include "dns/answer_worker.h"
#include "dns/inheritance.h"

namespace isochrone::dns {

// The sockets of all workers for one address: one for each, or more when they were inherited.
struct BoundEndpoint {
  Endpoint asked;
  Endpoint endpoint;  // with the port taken, when 0 was asked for
  std::vector<WorkerSockets> sockets;
};

// Takes what `inherited` has for the address, and binds what is missing.
Result<BoundEndpoint> bind_endpoint(const Endpoint& endpoint, unsigned workers,
                                    Inheritance& inherited);
// TCP alone, for TLS.
Result<BoundEndpoint> bind_tls_endpoint(const Endpoint& endpoint, unsigned workers,
                                        Inheritance& inherited);

// Held for as long as the Fd lives; an Error when another process holds it.
Result<Fd> lock_state_dir(const std::filesystem::path& state_dir);

}  // namespace isochrone::dns
