// SPDX-License-Identifier: Apache-2.0
//
// TapMessages: records as dnstap messages (dnstap.proto, https://dnstap.info).
//
// Threads:  of one thread, never a worker: it allocates.
// Policy:   of a routed answer. type "isochrone", match CLIENT_IP, value the client's network as text, rule
//           "site=fra reason=measured scope=24 generation=17", and " override=site-down" where that
//           is so; without site where the answer was withheld. action LOCAL_DATA, or NODATA or TRUNCATE
//           where that was answered.
#pragma once

#include <memory>
#include <string>

#include "dns/tap_backlog.h"
#include "dns/tap_record.h"

namespace isochrone::dns {

class TapMessages {
 public:
  TapMessages(std::string identity, std::string version);
  ~TapMessages();
  TapMessages(const TapMessages&) = delete;
  TapMessages& operator=(const TapMessages&) = delete;

  // Adds a frame for the query, and one for the answer, of those that the record has.
  void add(const TapView& record, TapBacklog& to);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isochrone::dns
