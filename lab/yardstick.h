// SPDX-License-Identifier: Apache-2.0
//
// Yardstick: measures from inside a namespace how exactly the lab keeps a delay it was asked for.
//
// It sends a small UDP packet to kYardstick every kYardstickInterval and compares the way there and
// back with kYardstickDelay. The clock is read just before sending; the kernel stamps the arrival,
// so the error holds both crossings of the TUN device and the emulator's own wake-ups, but not this
// process's. Each packet carries the error of the one before: no other channel is needed.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/time.h"

namespace isochrone::lab {

constexpr Millis kYardstickInterval{10};
constexpr std::uint16_t kYardstickPort = 7;  // echo, RFC 862

// The error that a yardstick packet's UDP payload reports, when it is one and has one.
std::optional<Nanos> read_yardstick(Bytes payload);

// Sends and compares until the process is killed, or a socket cannot be had.
void run_yardstick();

}  // namespace isochrone::lab
