// SPDX-License-Identifier: Apache-2.0
#include "dns/query.h"

#include "dns/skip_name.h"
#include "dns/wire.h"

namespace isochrone::dns {
namespace {

constexpr std::uint16_t kFlagResponse = 0x8000;
constexpr std::uint16_t kFlagRecursionDesired = 0x0100;
constexpr std::uint16_t kFlagCheckingDisabled = 0x0010;

// The one question, which can hold no pointer: nothing but the header stands before it.
bool read_question(Bytes packet, ByteReader& reader, Query& query) noexcept {
  if (!query.name.assign(packet.subspan(reader.position()))) return false;
  const std::size_t start = reader.position();
  reader.skip(query.name.wire().size());
  query.type = reader.u16();
  query.klass = reader.u16();
  if (!reader.ok()) return false;
  query.question = packet.subspan(start, reader.position() - start);
  query.has_question = true;
  return true;
}

// One record; an OPT fills query.edns. False when it may not stand here.
bool read_record(ByteReader& reader, bool in_additional, KnownOptions known,
                 Query& query) noexcept {
  const bool is_root = skip_name(reader);
  const std::uint16_t record_type = reader.u16();
  const std::uint16_t klass = reader.u16();
  const std::uint32_t ttl = reader.u32();
  const Bytes rdata = reader.take(reader.u16());
  if (!reader.ok()) return false;
  query.has_tsig |= record_type == type::tsig;
  if (record_type != type::opt) return true;
  if (!is_root || !in_additional || query.edns) return false;  // RFC 6891 section 6.1.1
  query.edns = parse_opt(klass, ttl);
  return parse_options(rdata, known, *query.edns);
}

bool read_sections(Bytes packet, ByteReader& reader, KnownOptions known, Query& query) noexcept {
  const std::uint16_t questions = reader.u16();
  const std::uint32_t before_additional = std::uint32_t{reader.u16()} + reader.u16();
  const std::uint32_t records = before_additional + reader.u16();
  if (questions == 1) {
    if (!read_question(packet, reader, query)) return false;
  } else {
    for (std::uint16_t i = 0; i < questions && reader.ok(); ++i) {
      skip_name(reader);
      reader.skip(4);
    }
  }
  for (std::uint32_t i = 0; i < records; ++i) {
    // After a bad OPT the rest is still read no further: what is wrong stays wrong.
    if (!read_record(reader, i >= before_additional, known, query)) return false;
  }
  const bool asks_for_cookie = questions == 0 && query.edns && query.edns->cookie;
  return (questions == 1 || asks_for_cookie) && reader.ok() && reader.remaining() == 0;  // RFC 9619
}

}  // namespace

Verdict parse_query(Bytes packet, KnownOptions known, Query& query) noexcept {
  if (packet.size() < kHeaderOctets) return Verdict::ignore;
  ByteReader reader(packet);
  query.id = reader.u16();
  const std::uint16_t flags = reader.u16();
  if ((flags & kFlagResponse) != 0) return Verdict::ignore;
  query.opcode = static_cast<std::uint8_t>((flags >> 11) & 0xf);
  query.recursion_desired = (flags & kFlagRecursionDesired) != 0;
  query.checking_disabled = (flags & kFlagCheckingDisabled) != 0;
  const bool is_well_formed = read_sections(packet, reader, known, query);
  if (query.opcode != 0) return Verdict::notimp;
  // A higher version may mean anything by its options, so it is named before they are judged.
  if (query.edns && query.edns->version > 0) return Verdict::badvers;
  return is_well_formed ? Verdict::ok : Verdict::formerr;
}

}  // namespace isochrone::dns
