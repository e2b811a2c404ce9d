// SPDX-License-Identifier: Apache-2.0
//
// Query: a request's bytes read into what an answer needs, and what is wrong with them.
//
// Cost:    no allocation, linear in the message: the question and the OPT record are parsed, every
//          other record is stepped over without following compression pointers.
// Limits:  the message itself; a name at most 255 octets.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "dns/edns.h"
#include "dns/name.h"

namespace isochrone::dns {

enum class Verdict : std::uint8_t {
  ok,
  ignore,   // a response, or no header: answering it could make two servers talk for ever
  formerr,  // answered with what could be read
  notimp,   // an opcode other than QUERY
  badvers,  // an EDNS version above 0
};

struct Query {
  std::uint16_t id = 0;
  std::uint8_t opcode = 0;
  bool recursion_desired = false;
  bool checking_disabled = false;
  // Exactly one, and readable: name, type and class hold. A well-formed query without one asks for
  // nothing but a cookie (RFC 7873 section 5.4).
  bool has_question = false;
  Bytes question;  // as sent, octet for octet: name, type, class
  Name name;       // folded
  std::uint16_t type = 0;
  std::uint16_t klass = 0;
  bool has_tsig = false;     // RFC 8945
  std::optional<Edns> edns;  // set as soon as one OPT was readable, even in a bad message
};

// `packet` must outlive `query`. Fields hold as far as the message could be read.
Verdict parse_query(Bytes packet, KnownOptions known, Query& query) noexcept;

}  // namespace isochrone::dns
