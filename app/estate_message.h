// SPDX-License-Identifier: Apache-2.0
//
// EstateMessage: the descriptors of one process on their way to the next.
//
// Format:  messages of at most kMaxDescriptors, {"have": [{"kind", "asked", "bound"}, ...], "more":
//          bool}, in the order of the descriptors. Kinds: udp, tcp, tls, lock, control, collector,
//          http. A kind that the receiver does not know is closed.
#pragma once

#include "app/roles.h"
#include "base/unix_channel.h"

namespace isochrone::app {

// What a message of the hand-over says of counters; empty when it does not.
Metrics::Counters counters_in(const std::string& text);

Result<void> send_estate(UnixChannel& channel, const Estate& estate, const Fd& control);
// `control` gets the listener of the control socket.
Result<Estate> receive_estate(UnixChannel& channel, Fd& control, Millis patience);

}  // namespace isochrone::app
