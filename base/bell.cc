// SPDX-License-Identifier: Apache-2.0
#include "base/bell.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <cstdlib>

namespace isochrone {

Bell::Bell() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_) std::abort();  // out of descriptors at start: as base/loop.cc does
}

void Bell::ring() noexcept {
  // Fails only when the count is full, and then it rings already.
  [[maybe_unused]] const int status = ::eventfd_write(event_.get(), 1);
}

bool Bell::wait(Millis longest) noexcept {
  pollfd waiting{event_.get(), POLLIN, 0};
  if (::poll(&waiting, 1, static_cast<int>(longest.count())) <= 0) return false;
  eventfd_t rings = 0;
  return ::eventfd_read(event_.get(), &rings) == 0;
}

}  // namespace isochrone
