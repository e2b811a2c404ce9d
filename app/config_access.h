// SPDX-License-Identifier: Apache-2.0
//
// Who may use the HTTP API, and how this node reaches a collector elsewhere.
#pragma once

#include "app/config.h"
#include "app/config_section.h"

namespace isochrone::app {

// `root` is the whole configuration. What is wrong goes to its complaints.
ApiOptions read_access(const Section& root, const routing::Topology& topology);
HttpAccess read_collector_access(const Section& root);
// The section's keys `certificate` and `key`, which belong together; empty when there are none.
HttpTls read_key_pair(const Section& section);
// The text of a file that has to be secret; empty when it was complained about.
std::string read_secret(const Section& section, std::string_view key);
bool is_loopback(const Address& address);
// Whether an address that others reach is guarded; `key` of `section` is where it is configured.
void check_listening(const Section& root, const ApiOptions& api, const Section& section,
                     std::string_view key, const Endpoint& listen);

}  // namespace isochrone::app
