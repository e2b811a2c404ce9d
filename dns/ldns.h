// SPDX-License-Identifier: Apache-2.0
//
// The door to ldns: zone files here, the independent oracle in tests.
#pragma once

// ldns' headers define bool, true and false as macros unless this one came first.
#include <ldns/ldns.h>
#include <stdbool.h>  // NOLINT(modernize-deprecated-headers)

#include <memory>

namespace isochrone::dns {

struct LdnsDelete {
  void operator()(ldns_rr* rr) const { ldns_rr_free(rr); }
  void operator()(ldns_rdf* rdf) const { ldns_rdf_deep_free(rdf); }
  void operator()(ldns_buffer* buffer) const { ldns_buffer_free(buffer); }
  void operator()(ldns_pkt* packet) const { ldns_pkt_free(packet); }
};
using LdnsRr = std::unique_ptr<ldns_rr, LdnsDelete>;
using LdnsRdf = std::unique_ptr<ldns_rdf, LdnsDelete>;
using LdnsBuffer = std::unique_ptr<ldns_buffer, LdnsDelete>;
using LdnsPacket = std::unique_ptr<ldns_pkt, LdnsDelete>;

}  // namespace isochrone::dns
