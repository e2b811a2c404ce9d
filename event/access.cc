// SPDX-License-Identifier: Apache-2.0
#include "event/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <variant>

namespace isochrone::event {
namespace {

constexpr std::array<std::string_view, 4> kRoles{"prober", "dns", "read", "operate"};

bool contains(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool is_of_prober(Channel channel) {
  return channel == Channel::measurement || channel == Channel::health || channel == Channel::load;
}

bool is_of_dns(Channel channel) {
  return channel == Channel::demand || channel == Channel::decision;
}

const std::string* site_of(const Event& event) {
  return std::visit(
      [](const auto& payload) -> const std::string* {
        if constexpr (requires { payload.site; }) {
          return &payload.site;
        } else {
          return nullptr;
        }
      },
      event.payload);
}

bool may_use_source(const Token& token, const Event& event) {
  const std::string_view source = event.id.source;
  if (!token.sources.empty()) return contains(token.sources, source);
  if (is_of_dns(event.channel())) return source.starts_with("dns-");
  return source.starts_with("prober-") && contains(token.sites, source.substr(7));
}

}  // namespace

std::optional<Role> parse_role(std::string_view text) {
  const auto found = std::find(kRoles.begin(), kRoles.end(), text);
  if (found == kRoles.end()) return std::nullopt;
  return static_cast<Role>(found - kRoles.begin());
}

bool Token::has(Role role) const {
  return std::find(roles.begin(), roles.end(), role) != roles.end();
}

const Token* Access::find(std::string_view secret) const {
  const Sha256 digest = sha256(secret);
  const Token* found = nullptr;
  for (const Token& token : tokens) {
    if (is_same_digest(token.digest, digest)) found = &token;
  }
  return found;
}

bool may_read(const Token& token, Channel channel) {
  if (may_query(token)) return true;
  return (token.has(Role::prober) && channel == Channel::target) ||
         (token.has(Role::dns) && (channel == Channel::state || channel == Channel::health));
}

bool may_post(const Token& token, Channel channel) {
  return token.has(Role::operate) || (token.has(Role::prober) && is_of_prober(channel)) ||
         (token.has(Role::dns) && is_of_dns(channel));
}

bool may_query(const Token& token) { return token.has(Role::read) || token.has(Role::operate); }

std::optional<std::string> objection(const Token& token, const Event& event) {
  if (token.has(Role::operate)) return std::nullopt;
  const std::string* site = site_of(event);
  if (is_of_prober(event.channel()) && site != nullptr && !contains(token.sites, *site)) {
    return fmt::format("token {} is not for site \"{}\"", token.name, *site);
  }
  const auto* health = std::get_if<Health>(&event.payload);
  if (health != nullptr && health->origin != HealthOrigin::prober) {
    return fmt::format("token {} gives heartbeats, not an operator's word", token.name);
  }
  if (!may_use_source(token, event)) {
    return fmt::format("token {} is not for events of source \"{}\"", token.name, event.id.source);
  }
  return std::nullopt;
}

}  // namespace isochrone::event
