// SPDX-License-Identifier: Apache-2.0
//
// TransferIn: the messages of a zone transfer put together to a zone's records (RFC 5936, RFC 1995).
//
// Pure:    messages in, records out; no socket, clock or thread.
// Rules:   SOA of the apex first and last; one id; signed as it was asked; nothing behind the end. An
//          incremental transfer has to fit the version it changes record by record. What breaks a rule
//          ends the transfer and changes nothing.
// Limits:  kMaxTransferOctets of records; names at most 255 octets, pointers only backwards.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "dns/name.h"
#include "dns/tsig.h"
#include "dns/zone_records.h"

namespace isochrone::dns {

constexpr std::size_t kMaxTransferOctets = std::size_t{1} << 30;

class TransferIn {
 public:
  enum class Step : std::uint8_t {
    more,       // the next message, please
    done,       // records() has the new version
    current,    // the primary has nothing newer
    fall_back,  // this incremental transfer is no use: ask for the whole zone
    failed,     // why() says why
  };
  // What an incremental transfer is applied to; read only when one arrives.
  using Held = std::function<ZoneRecords()>;
  // `serial`: of the version that is held; nothing: none. `key` (null: unsigned) must outlive this.
  TransferIn(Bytes apex, std::optional<std::uint32_t> serial, Held held, const TsigKey* key,
             std::uint16_t id);

  // The request: IXFR when a version is held and `whole` is not wanted, else AXFR.
  std::vector<std::uint8_t> request(bool whole, std::uint64_t now);
  Step take(Bytes message, std::uint64_t now);
  const std::string& why() const { return why_; }
  // After `done`.
  ZoneRecords records() { return std::move(records_); }
  bool is_incremental() const { return state_ == State::removing || state_ == State::adding; }

 private:
  enum class State : std::uint8_t { start, second, whole, removing, adding, end };
  // Folded owner, type and data: what makes two records the same.
  using Identity = std::vector<std::uint8_t>;

  Step fail(std::string why, bool may_fall_back = true);
  bool check_signature(Bytes message, std::uint64_t now);
  Step take_records(Bytes message);
  Step take_record(Bytes owner, std::uint16_t type, std::uint32_t ttl, Bytes data);
  Step take_soa(Bytes owner, std::uint32_t ttl, Bytes data, std::uint32_t serial);
  bool change(Bytes owner, std::uint16_t type, std::uint32_t ttl, Bytes data);
  Step finish_incremental();

  const std::vector<std::uint8_t> apex_;
  const std::optional<std::uint32_t> held_serial_;
  const Held held_;
  std::optional<TsigChain> chain_;
  const std::uint16_t id_;
  bool is_whole_wanted_ = true;

  State state_ = State::start;
  std::uint32_t serial_ = 0;       // of the newest version
  std::uint32_t step_serial_ = 0;  // of the version that the last step leads to
  std::size_t octets_ = 0;
  ZoneRecords records_;
  struct Added {
    std::size_t owner_octets = 0;
    std::uint32_t ttl = 0;
  };
  std::map<Identity, Added> added_;
  std::set<Identity> removed_;
  std::string why_;
};

// The uncompressed data of a record that stands at `at` in `message`; nothing when it is broken. Names
// in the types of RFC 1035 may be compressed.
std::optional<std::vector<std::uint8_t>> expand_data(Bytes message, std::size_t at,
                                                     std::size_t octets, std::uint16_t type);
// The name at `at`, which moves past it.
std::optional<std::vector<std::uint8_t>> expand_name(Bytes message, std::size_t& at);

}  // namespace isochrone::dns
