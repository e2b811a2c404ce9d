// SPDX-License-Identifier: Apache-2.0
//
// chaos: what a server says of itself in class CH (RFC 4892).
#pragma once

#include <string_view>

#include "dns/answer_options.h"
#include "dns/name.h"

namespace isochrone::dns {

// The text for version.bind and version.server, or hostname.bind and id.server; empty when the name is
// another or the operator keeps it to himself.
std::string_view chaos_text(const AnswerOptions& options, const Name& name) noexcept;

}  // namespace isochrone::dns
