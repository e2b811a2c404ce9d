// SPDX-License-Identifier: Apache-2.0
//
// Options that the transport adds to a reply's OPT record: keepalive (RFC 7828), padding (RFC 7830).
//
// Rules: each only when the query asked for it; padding only where it is encrypted, to a multiple of
//        kPaddedBlock octets, which is what RFC 8467 recommends for servers.
#pragma once

#include "base/bytes.h"
#include "base/time.h"
#include "dns/answer.h"

namespace isochrone::dns {

constexpr std::size_t kPaddedBlock = 468;

// `out` holds the reply and has room behind it; what does not fit is left out. `idle`: after how long
// without a query the connection is closed.
void add_stream_options(MutableBytes out, Reply& reply, Millis idle, bool is_encrypted) noexcept;

}  // namespace isochrone::dns
