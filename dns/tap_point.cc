// SPDX-License-Identifier: Apache-2.0
#include "dns/tap_point.h"

#include "routing/reasons.h"

namespace isochrone::dns {
namespace {

TapReason reason_of(const Snapshot& snapshot, const Reply& reply) noexcept {
  TapReason why;
  why.is_withheld = reply.choice.override == routing::Override::withheld;
  why.is_routed = reply.service.has_value() && (reply.is_chosen || why.is_withheld);
  if (!why.is_routed) return why;
  why.override = reply.choice.override;
  why.scope = reply.choice.scope;
  why.generation = snapshot.table->generation();
  why.network = reply.client_network;
  if (snapshot.reasons) why.reason = snapshot.reasons->find(*reply.service, reply.client);
  return why;
}

}  // namespace

void TapPoint::note(const Snapshot& snapshot, TapRecord record, Bytes query, Bytes sent,
                    const Reply& reply) noexcept {
  if (!queries_) query = {};
  if (!answers_) sent = {};
  std::string_view site;
  if (!sent.empty()) {
    record.why = reason_of(snapshot, reply);
    if (reply.is_chosen) site = snapshot.topology->sites[reply.choice.site.index()].name;
  }
  const unsigned frames = (query.empty() ? 0U : 1U) + (sent.empty() ? 0U : 1U);
  if (frames == 0 || put_record(ring_, record, query, sent, site)) return;
  dropped_.add(frames);
}

}  // namespace isochrone::dns
