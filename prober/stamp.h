// SPDX-License-Identifier: Apache-2.0
//
// Stamp: the kernel's own times of sending and receiving a packet.
//
// Software timestamps (SO_TIMESTAMPING): taken where the driver hands a packet over, so that neither
// our scheduling nor a queue in our process is in the RTT. Wall clock, nanoseconds.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "base/time.h"

struct msghdr;

namespace isochrone::prober {

// Stamps on receipt, and on sending through the error queue, keyed by a count of sends from 0.
// Asked for again, it starts the count afresh.
Result<void> enable_stamps(int fd);

// On receipt alone.
Result<void> enable_receive_stamps(int fd);

// The software timestamp among a received message's control data.
std::optional<Instant> stamp_of(const msghdr& message) noexcept;
// Which send an error-queue message tells of.
std::optional<std::uint32_t> send_key_of(const msghdr& message) noexcept;

}  // namespace isochrone::prober
