// SPDX-License-Identifier: Apache-2.0
#include "dns/chaos.h"

#include <algorithm>

namespace isochrone::dns {
namespace {

bool is_name(const Name& name, std::string_view wire) noexcept {
  const Bytes octets = name.wire();
  // The final zero octet of the wire form is the literal's own.
  return octets.size() == wire.size() + 1 && std::equal(wire.begin(), wire.end(), octets.begin());
}

}  // namespace

std::string_view chaos_text(const AnswerOptions& options, const Name& name) noexcept {
  if (is_name(name, "\7version\4bind") || is_name(name, "\7version\6server")) {
    return options.version;
  }
  if (is_name(name, "\10hostname\4bind") || is_name(name, "\2id\6server")) return options.hostname;
  return {};
}

}  // namespace isochrone::dns
