// SPDX-License-Identifier: Apache-2.0
#include "dns/response.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace isochrone::dns {
namespace {

constexpr std::size_t kOptionHead = 4;           // code and length
constexpr std::size_t kExtendedErrorOctets = 2;  // without text

// What the OPT record of the reply takes at most; none when the query had none (RFC 6891 section 7).
std::size_t opt_octets(const Query& query, const OptContents& opt) noexcept {
  if (!query.edns) return 0;
  std::size_t octets = kOptOctets + kOptionHead + kExtendedErrorOctets;
  if (query.edns->client_subnet) octets += query.edns->client_subnet->size();
  if (opt.cookie) octets += kOptionHead + kCookieOctets;
  if (!opt.nsid.empty()) octets += kOptionHead + opt.nsid.size();
  return octets;
}

void put_u16(std::uint8_t* at, std::size_t value) noexcept {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}

}  // namespace

Response::Response(const Query& query, MutableBytes out, std::size_t limit,
                   const OptContents& opt) noexcept
    : query_(query), out_(out), writer_(out.first(limit - opt_octets(query, opt))), opt_(opt) {
  static constexpr std::array<std::uint8_t, kHeaderOctets> kNoHeaderYet{};
  writer_.put(kNoHeaderYet);
  if (query.has_question) writer_.put(query.question);
}

bool Response::add(Section section, const Rrset& set, std::size_t owner, std::size_t apex,
                   std::optional<std::uint32_t> ttl) noexcept {
  // A pointer reaches the first 16 KiB only. Owners lie there: sixteen aliases of 267 octets and a
  // referral's first glue do; what lies past it can only be glue of a huge set, which may be left out.
  if (set.wire.size() > writer_.remaining() || owner > kMaxPointer || apex > kMaxPointer)
    return false;
  const std::size_t start = writer_.position();
  writer_.put(set.wire);
  std::uint8_t* records = out_.data() + start;
  if (owner != kQuestionName || ttl) {
    for (std::size_t at = 0; at < set.wire.size(); at += kRecordHead + set.data_octets(at)) {
      put_u16(records + at, kPointerTag | owner);
      if (ttl) {
        put_u16(records + at + kRecordTtl, *ttl >> 16);
        put_u16(records + at + kRecordTtl + 2, *ttl & 0xffff);
      }
    }
  }
  for (std::size_t i = 0; i < set.patches.size(); i += 2) {
    std::uint16_t patch = 0;
    std::memcpy(&patch, set.patches.data() + i, 2);
    put_u16(records + patch, kPointerTag | apex);
  }
  counts_[section] = static_cast<std::uint16_t>(counts_[section] + set.records);
  return true;
}

bool Response::add_chaos(std::string_view text) noexcept {
  text = text.substr(0, 255);  // one character-string
  const std::size_t start = writer_.position();
  writer_.u16(kPointerTag | kQuestionName);
  writer_.u16(type::txt);
  writer_.u16(kClassChaos);
  writer_.u32(0);
  writer_.u16(static_cast<std::uint16_t>(text.size() + 1));
  writer_.u8(static_cast<std::uint8_t>(text.size()));
  writer_.put(Bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  if (writer_.ok()) {
    ++counts_[answer];
    return true;
  }
  writer_.rewind(start);
  return false;
}

bool Response::add_below(Section section, Bytes labels, const Rrset& record, std::size_t apex,
                         std::optional<std::uint32_t> ttl) noexcept {
  const std::size_t start = writer_.position();
  // The record's signature points here.
  if (labels.size() + record.wire.size() > writer_.remaining() || start > kMaxPointer ||
      apex > kMaxPointer) {
    return false;
  }
  writer_.put(labels);
  writer_.put(record.wire);
  std::uint8_t* head = out_.data() + start + labels.size();
  put_u16(head, kPointerTag | apex);
  if (ttl) {
    put_u16(head + kRecordTtl, *ttl >> 16);
    put_u16(head + kRecordTtl + 2, *ttl & 0xffff);
  }
  ++counts_[section];
  return true;
}

bool Response::add_alias(std::size_t owner, std::uint32_t ttl, Bytes labels,
                         std::size_t target) noexcept {
  const std::size_t start = writer_.position();
  if (owner > kMaxPointer || target > kMaxPointer || start > kMaxPointer) return false;
  writer_.u16(static_cast<std::uint16_t>(kPointerTag | owner));
  writer_.u16(type::cname);
  writer_.u16(kClassIn);
  writer_.u32(ttl);
  writer_.u16(static_cast<std::uint16_t>(labels.size() + 2));
  writer_.put(labels);
  writer_.u16(static_cast<std::uint16_t>(kPointerTag | target));
  if (writer_.ok()) {
    ++counts_[answer];
    return true;
  }
  writer_.rewind(start);
  return false;
}

std::size_t Response::place_of_suffix(std::size_t place, std::size_t skip) const noexcept {
  const Bytes message = writer_.written();
  for (;;) {
    // Only what this class wrote is read, and its pointers lead backwards: the walk ends.
    while (message[place] >= 0xc0) {
      place = (std::size_t{message[place]} << 8 | message[place + 1]) & kMaxPointer;
    }
    if (skip == 0) return place;
    --skip;
    place += message[place] + std::size_t{1};
  }
}

void Response::read_name(std::size_t place, Name& name) const noexcept {
  const Bytes message = writer_.written();
  std::array<std::uint8_t, kMaxNameOctets> octets;
  std::size_t size = 0;
  for (place = place_of_suffix(place, 0); message[place] != 0; place = place_of_suffix(place, 1)) {
    const Bytes label = message.subspan(place, message[place] + std::size_t{1});
    std::copy(label.begin(), label.end(), octets.begin() + static_cast<std::ptrdiff_t>(size));
    size += label.size();
  }
  octets[size++] = 0;
  name.assign(Bytes(octets).first(size));
}

void Response::write_opt() noexcept {
  const auto extended = static_cast<std::uint32_t>(rcode_) >> 4;
  writer_.u8(0);
  writer_.u16(type::opt);
  writer_.u16(opt_.max_udp_payload);
  writer_.u32((extended << 24) | (query_.edns->dnssec_ok ? 0x8000U : 0U));  // version 0
  const std::size_t length_at = writer_.position();
  writer_.u16(0);
  if (query_.edns->client_subnet) query_.edns->client_subnet->write(writer_, scope_);
  if (opt_.cookie) write_option(kOptionCookie, *opt_.cookie);
  if (!opt_.nsid.empty()) {
    write_option(kOptionNsid,
                 Bytes(reinterpret_cast<const std::uint8_t*>(opt_.nsid.data()), opt_.nsid.size()));
  }
  if (extended_error_ != ExtendedError::none) {
    const auto code = static_cast<std::uint16_t>(extended_error_);
    write_option(kOptionExtendedError,
                 std::array{static_cast<std::uint8_t>(code >> 8), static_cast<std::uint8_t>(code)});
  }
  writer_.patch_u16(length_at, static_cast<std::uint16_t>(writer_.position() - length_at - 2));
}

void Response::write_option(std::uint16_t code, Bytes data) noexcept {
  writer_.u16(code);
  writer_.u16(static_cast<std::uint16_t>(data.size()));
  writer_.put(data);
}

std::size_t Response::finish() noexcept {
  // The kept room is given back by writing the last record through a writer over the whole buffer.
  const std::size_t size = writer_.position();
  opt_at_ = size;
  std::size_t total = size;
  if (query_.edns) {
    writer_ = ByteWriter(out_.subspan(size));
    write_opt();
    total += writer_.position();
  }
  ByteWriter header(out_.first(kHeaderOctets));
  const unsigned flags =
      0x8000U | unsigned{query_.opcode} << 11 | (is_authoritative_ ? 0x0400U : 0U) |
      (is_truncated_ ? 0x0200U : 0U) | (query_.recursion_desired ? 0x0100U : 0U) |
      (query_.checking_disabled ? 0x0010U : 0U) | (static_cast<unsigned>(rcode_) & 0xfU);
  header.u16(query_.id);
  header.u16(static_cast<std::uint16_t>(flags));
  header.u16(query_.has_question ? 1 : 0);
  header.u16(counts_[answer]);
  header.u16(counts_[authority]);
  header.u16(static_cast<std::uint16_t>(counts_[additional] + (query_.edns ? 1 : 0)));
  return total;
}

}  // namespace isochrone::dns
