// SPDX-License-Identifier: Apache-2.0
//
// Access: who may use the HTTP API, and for what: tokens, and the roles they stand for.
//
// Threads: values and pure functions.
// Secrets: only the digest of a token is kept. Tokens are 256 random bits, so a digest without salt
//          or stretching tells nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/sha256.h"
#include "event/event.h"

namespace isochrone::event {

enum class Role : std::uint8_t {
  prober,  // posts measurements, heartbeats and load of its sites; reads targets
  dns,     // posts demand and decisions; reads state and health
  read,    // reads everything
  operate  // reads everything, and posts what anybody may post, for every site
};
std::optional<Role> parse_role(std::string_view text);

struct Token {
  std::string name;  // in logs and errors; never the secret
  Sha256 digest{};
  std::vector<Role> roles;
  std::vector<std::string> sites;    // of a prober
  std::vector<std::string> sources;  // that ids of its events may name; empty: see objection()
  bool is_own = false;               // of a role in this process: needs no certificate

  bool has(Role role) const;
  friend bool operator==(const Token&, const Token&) = default;
};

struct Access {
  std::vector<Token> tokens;       // none: everybody may do everything
  bool needs_certificate = false;  // a token is worth something only with a certificate

  bool is_open() const noexcept { return tokens.empty(); }
  // Looks at all of them, whichever matches.
  const Token* find(std::string_view secret) const;
  friend bool operator==(const Access&, const Access&) = default;
};

bool may_read(const Token& token, Channel channel);
bool may_post(const Token& token, Channel channel);
// Status, tables, metrics and whatever else is no channel.
bool may_query(const Token& token);
// Why this event is not its to post: another's site, another's source of ids, an operator's word.
// Without a list of its own a prober's events come from "prober-SITE", those of a node from "dns-NAME".
std::optional<std::string> objection(const Token& token, const Event& event);

}  // namespace isochrone::event
