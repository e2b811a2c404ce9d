// SPDX-License-Identifier: Apache-2.0
//
// NotifyOut: tells secondaries that a zone has a new version (RFC 1996).
//
// Timing:  over UDP, up to kTries times, the pauses doubled from kFirstPause, until the secondary
//          answers with the same id. A newer version of the zone starts anew.
// Threads: belongs to the loop's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/loop.h"
#include "dns/transfer_policy.h"

namespace isochrone::dns {

class NotifyOut {
 public:
  explicit NotifyOut(Loop& loop);
  ~NotifyOut();

  // `policy` has the keys; what is needed of it is copied.
  void tell(Bytes apex, const std::vector<TransferPeer>& peers, const TransferPolicy& policy);

 private:
  static constexpr unsigned kTries = 5;
  static constexpr Millis kFirstPause{1'000};
  class Message;

  void end(const Message& message);

  Loop& loop_;
  std::vector<std::unique_ptr<Message>> messages_;  // not answered yet
};

}  // namespace isochrone::dns
