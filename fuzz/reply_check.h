// SPDX-License-Identifier: Apache-2.0
//
// What holds of every reply, whatever was asked.
#pragma once

#include <cstdlib>

#include "dns/answer.h"
#include "dns/skip_name.h"

namespace isochrone::fuzz {

// Sections hold as many whole records as the header says, and nothing follows.
inline bool is_whole(Bytes reply) {
  ByteReader in(reply);
  in.skip(4);
  const unsigned questions = in.u16();
  unsigned records = in.u16();
  records += in.u16();
  records += in.u16();
  for (unsigned i = 0; i < questions; ++i) {
    dns::skip_name(in);
    in.skip(4);
  }
  for (unsigned i = 0; i < records && in.ok(); ++i) {
    dns::skip_name(in);
    in.skip(8);
    in.skip(in.u16());
  }
  return in.ok() && in.remaining() == 0;
}

// Ends the process when the reply breaks a promise.
inline void check_reply(const dns::Snapshot& snapshot, const dns::Request& request,
                        const dns::Reply& reply, Bytes out) {
  const Bytes query = request.query;
  const bool is_unanswerable = query.size() < dns::kHeaderOctets || (query[2] & 0x80) != 0;
  if ((reply.size == 0) != is_unanswerable) std::abort();
  if (reply.size == 0) return;
  const Bytes bytes = out.first(reply.size);
  if (bytes[0] != query[0] || bytes[1] != query[1] || (bytes[2] & 0x80) == 0) std::abort();
  if (!is_whole(bytes)) std::abort();
  if (request.transport != dns::Transport::udp) return;
  if (reply.size > snapshot.options.max_udp_payload) std::abort();
  const bool is_excused = (bytes[2] & 0x02) != 0 || reply.cookie == dns::CookieVerdict::good;
  if (!is_excused && reply.size > 3 * query.size()) std::abort();
}

}  // namespace isochrone::fuzz
