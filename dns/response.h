// SPDX-License-Identifier: Apache-2.0
//
// Response: a reply written section by section into a bounded buffer.
//
// Compression: owners are pointers; names in data end in a pointer to their zone's apex, which the
//              message always holds already: in the question, or in the alias that led to the zone.
// Room:        what the OPT record will take is kept free from the start, so it always fits
//              (RFC 7871 section 7.2.2).
// Cost:        one copy per RRset; no allocation.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "dns/query.h"
#include "dns/rrset.h"
#include "dns/wire.h"

namespace isochrone::dns {

// What the reply's OPT record carries, besides the Client Subnet option of the query.
struct OptContents {
  std::uint16_t max_udp_payload = 1232;
  std::string_view nsid;  // empty: none
  std::optional<std::array<std::uint8_t, kCookieOctets>> cookie;
};

// Extended DNS Errors (RFC 8914 section 5.2) that this server has a reason for.
enum class ExtendedError : std::uint16_t {
  none = 0,
  not_authoritative = 20,
  not_supported = 21,
  no_reachable_authority = 22,
  invalid_query_type = 30
};

class Response {
 public:
  enum Section : std::uint8_t { answer, authority, additional };

  // Writes header and question. `limit` octets at most, OPT included; `out` holds at least that and
  // `limit` is at least 512.
  Response(const Query& query, MutableBytes out, std::size_t limit,
           const OptContents& opt) noexcept;

  // Adds the whole set or nothing; false when it does not fit. `owner` and `apex` are places in this
  // message (see place_of_suffix). `ttl` replaces the set's own when given.
  bool add(Section section, const Rrset& set, std::size_t owner, std::size_t apex,
           std::optional<std::uint32_t> ttl = std::nullopt) noexcept;

  // Gives the SVCB or HTTPS record at `place`, which this class wrote, its priority.
  void set_priority(std::size_t place, std::size_t priority) noexcept {
    writer_.patch_u16(place + kRecordHead, static_cast<std::uint16_t>(priority));
  }

  // Adds one TXT record of class CH at the question's name; false when it does not fit.
  bool add_chaos(std::string_view text) noexcept;
  // Adds one record whose owner is `labels` followed by the apex.
  bool add_below(Section section, Bytes labels, const Rrset& record, std::size_t apex,
                 std::optional<std::uint32_t> ttl = std::nullopt) noexcept;

  // Adds a CNAME made for this reply: its target is `labels`, then the name at `target`.
  bool add_alias(std::size_t owner, std::uint32_t ttl, Bytes labels, std::size_t target) noexcept;

  // Where in this message the name at `place` continues after `skip` labels.
  std::size_t place_of_suffix(std::size_t place, std::size_t skip) const noexcept;
  // The name at `place`, which this class wrote.
  void read_name(std::size_t place, Name& name) const noexcept;
  std::size_t position() const noexcept { return writer_.position(); }
  std::size_t room() const noexcept { return writer_.remaining(); }  // octets, OPT taken off
  Bytes written() const noexcept { return writer_.written(); }

  void set_authoritative() noexcept { is_authoritative_ = true; }
  void set_truncated() noexcept { is_truncated_ = true; }
  bool is_truncated() const noexcept { return is_truncated_; }
  void set_rcode(Rcode rcode) noexcept { rcode_ = rcode; }
  Rcode rcode() const noexcept { return rcode_; }
  void refuse(ExtendedError why) noexcept {
    rcode_ = Rcode::refused;
    extended_error_ = why;
  }
  // Told to those who speak EDNS.
  void set_extended_error(ExtendedError error) noexcept { extended_error_ = error; }
  void set_scope(std::uint8_t scope) noexcept { scope_ = scope; }
  std::uint8_t scope() const noexcept { return scope_; }

  // Writes OPT and header; the size of the message.
  std::size_t finish() noexcept;
  // After finish(): where the OPT record starts, when there is one.
  std::size_t opt_at() const noexcept { return opt_at_; }

 private:
  void write_opt() noexcept;
  void write_option(std::uint16_t code, Bytes data) noexcept;

  const Query& query_;
  MutableBytes out_;
  ByteWriter writer_;
  const OptContents& opt_;
  std::uint16_t counts_[3] = {0, 0, 0};
  std::size_t opt_at_ = 0;
  Rcode rcode_ = Rcode::noerror;
  ExtendedError extended_error_ = ExtendedError::none;
  bool is_authoritative_ = false;
  bool is_truncated_ = false;
  std::uint8_t scope_ = 0;
};

}  // namespace isochrone::dns
