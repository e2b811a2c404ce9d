// SPDX-License-Identifier: Apache-2.0
//
// TransferOut: one zone transfer being sent, message by message (RFC 5936, RFC 1995).
//
// Shape:     the SOA first and last, as many records per message as kMessageOctets hold, the question
//            in each, every message signed when the request was. Incremental when the journal leads
//            from the client's serial to the newest and that is shorter; the SOA alone when the client
//            has the newest; else the whole zone.
// Memory:    one message at a time: the connection asks for the next when the one before has gone.
// Ownership: shares the zones of the moment it began; a reload in between changes nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "dns/journal.h"
#include "dns/query.h"
#include "dns/snapshot.h"
#include "dns/tsig.h"
#include "dns/zone_walk.h"

namespace isochrone::dns {

class TransferOut {
 public:
  struct Request {
    std::uint16_t id = 0;
    bool recursion_desired = false;
    std::vector<std::uint8_t> question;  // as sent; its name is the zone's apex
    std::vector<std::uint8_t> opt;       // of the first message; empty: none was asked with
    std::optional<std::uint32_t> have;   // IXFR: the client's serial
    bool is_udp = false;                 // the SOA alone: the rest goes over TCP
    std::unique_ptr<TsigKey> key;        // null: unsigned
    std::unique_ptr<TsigChain> chain;    // with the request in it; of `key`
    std::shared_ptr<void> slot;          // given back when the transfer ends
  };
  TransferOut(std::shared_ptr<const Snapshot> snapshot, const Zone& zone, Request request);

  // The next message, without its length; empty at the end. `now` in Unix seconds.
  std::vector<std::uint8_t> next(std::uint64_t now);
  bool is_done() const noexcept { return phase_ == Phase::done; }

 private:
  static constexpr std::size_t kMessageOctets = 32 * 1024;
  enum class Phase : std::uint8_t { first_soa, zone, removed, added, done };

  bool next_record(ZoneRecord& record);
  bool next_change(ZoneRecord& record);
  void plan();

  const std::shared_ptr<const Snapshot> snapshot_;
  const ZoneVersion zone_;
  Request request_;
  ZoneWalk walk_;
  Journal::Steps steps_;  // of an incremental transfer
  bool is_soa_alone_ = false;
  Phase phase_ = Phase::first_soa;
  std::size_t step_ = 0;
  std::size_t at_ = 0;                 // in the records of the step
  std::optional<ZoneRecord> waiting_;  // did not fit the message before
};

}  // namespace isochrone::dns
