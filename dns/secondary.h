// SPDX-License-Identifier: Apache-2.0
//
// Secondary: one zone kept as its primaries have it (RFC 1034 section 4.3.5, RFC 1995, RFC 1996).
//
// Timing:   asks after the SOA's refresh, after its retry when that fails, and at once when notified;
//           the zone becomes unavailable when no primary confirmed it for the SOA's expire.
// Transfer: over TCP, incremental where a version is held, whole when that fails; one primary after the
//           other. A connection that gives nothing for kStall is given up.
// Order:    a version is on disk before it is served: who saw it sees it after a crash as well.
// Failures: what is broken changes nothing and is said once, until a primary works again. A version that
//           cannot be stored is served all the same, and tried again whenever a primary confirms it.
// Threads:  belongs to the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/loop.h"
#include "dns/options.h"
#include "dns/transfer_in.h"
#include "dns/transfer_policy.h"

namespace isochrone::dns {

// The numbers of an SOA that say when to ask.
struct SoaTimes {
  std::uint32_t serial = 0;
  Seconds refresh{0};
  Seconds retry{0};
  Seconds expire{0};
};
std::optional<SoaTimes> soa_times(Bytes soa_data);
std::optional<SoaTimes> soa_times(const ZoneRecords& zone);

class Secondary {
 public:
  // Publishes a version, or that there is none any more (records.is_unavailable). Calls `store` once it
  // knows that the zone is one, before anyone is answered from it. Empty, or what is wrong with it: then
  // nothing was changed.
  using Store = std::function<void()>;
  using Install = std::function<std::string(ZoneRecords records, const Store& store)>;

  // `keys` are copied. `held`: of the version that is served, if one is.
  Secondary(Loop& loop, ZoneSource source, std::vector<TsigKey> keys, std::optional<SoaTimes> held,
            Install install);
  ~Secondary();

  // A primary says that there is a new version.
  void notified();
  const ZoneSource& source() const { return source_; }

 private:
  static constexpr Seconds kStall{10};
  static constexpr Seconds kFirstRetry{2};  // without an SOA that says; doubled up to kLongestRetry
  static constexpr Seconds kLongestRetry{300};

  void start();
  void try_next();
  void connect_to(const TransferPeer& peer);
  void on_ready(unsigned events);
  bool send_request();
  bool receive();
  void take(TransferIn::Step step);
  void install();
  void store(ZoneRecords records);
  void confirm_version();
  void end_attempt();
  void give_up(const std::string& why);
  void wait(Millis time);
  void expire();
  std::uint64_t unix_now() const;

  Loop& loop_;
  const ZoneSource source_;
  const std::vector<TsigKey> keys_;
  const std::vector<std::uint8_t> apex_;
  const Install install_;
  std::optional<SoaTimes> held_;

  std::size_t primary_ = 0;  // the next to try
  bool is_whole_wanted_ = false;
  bool is_running_ = false;
  bool is_notified_ = false;  // while one was running: asked again when it ends
  bool has_told_failure_ = false;
  std::optional<ZoneRecords> unstored_;  // the version that is served and could not be written
  Seconds retry_ = kFirstRetry;
  std::string why_;  // of the primaries tried in this round

  Fd socket_;
  std::unique_ptr<Poll> poll_;
  std::unique_ptr<TransferIn> transfer_;
  std::vector<std::uint8_t> output_;
  std::size_t written_ = 0;
  std::vector<std::uint8_t> input_;
  Timer next_;
  Timer stall_;
  Timer expiry_;
};

}  // namespace isochrone::dns
