// SPDX-License-Identifier: Apache-2.0
//
// Door: a socket where HTTP is served, kept beside the server that takes its connections, so that it
// can be given to another server of this process or to another process.
#pragma once

#include <fcntl.h>

#include "app/roles.h"
#include "base/listening.h"

namespace isochrone::app {

inline Fd another(const Fd& fd) { return fd ? Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)) : Fd(); }

// A socket that listens, kept beside the server that takes its connections, so that it can be given
// to another server of this process or to another process.
struct Door {
  HttpPlace place;
  Fd listener;

  Result<void> open(const Endpoint& endpoint) {
    auto made = listen_tcp(endpoint);
    if (!made) return tl::unexpected(made.error());
    listener = std::move(*made);
    place = {endpoint, {endpoint.address, bound_port(listener)}};
    return {};
  }
};

}  // namespace isochrone::app
