// SPDX-License-Identifier: Apache-2.0
//
// answer_question: the records that answer one question of class IN, found and written.
//
// A name is looked up; an alias leads to the next one; a routed name to the routing table; a missing one
// to its denial (RFC 1034 section 4.3.2).
// Cost:    see answer(), of which this is the larger part.
#pragma once

#include "dns/answer.h"
#include "dns/query.h"
#include "dns/response.h"
#include "dns/snapshot.h"

namespace isochrone::dns {

// `query` has a question. Fills response, and what `reply` tells about a routed answer.
void answer_question(const Snapshot& snapshot, const Query& query, const Request& request,
                     Response& response, Reply& reply) noexcept;

}  // namespace isochrone::dns
