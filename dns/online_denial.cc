// SPDX-License-Identifier: Apache-2.0
#include "dns/online_denial.h"

#include <array>

#include "dns/rrset.h"
#include "dns/wire.h"

namespace isochrone::dns {
namespace {

// The first name below another: "\000" before it.
constexpr std::array<std::uint8_t, 2> kFirstLabel{1, 0};
// RRSIG data up to the signer's name (RFC 4034 section 3.1).
constexpr std::size_t kRrsigFixed = 18;

void write_head(ByteWriter& out, std::uint16_t record_type, std::uint32_t ttl, std::size_t octets) {
  out.u16(kPointerTag | kQuestionName);
  out.u16(record_type);
  out.u16(kClassIn);
  out.u32(ttl);
  out.u16(static_cast<std::uint16_t>(octets));
}

}  // namespace

Bytes nxname_bitmap() noexcept {
  // Window 0, 17 octets: bits 46, 47 and 128.
  static constexpr std::array<std::uint8_t, 19> kBitmap{0, 17, 0, 0, 0, 0, 0, 0x03, 0,   0,
                                                        0, 0,  0, 0, 0, 0, 0, 0,    0x80};
  return kBitmap;
}

std::optional<OnlineDenial> OnlineKey::write(Response& response, const Name& name,
                                             std::size_t owner, Bytes bitmap,
                                             std::uint32_t ttl) const noexcept {
  const Bytes wire = name.wire();
  if (wire.size() + kFirstLabel.size() > kMaxNameOctets) return std::nullopt;
  std::array<std::uint8_t, 1'024> buffer;
  ByteWriter nsec(buffer);
  write_head(nsec, type::nsec, ttl, kFirstLabel.size() + wire.size() + bitmap.size());
  nsec.put(kFirstLabel);
  nsec.put(wire);
  nsec.put(bitmap);
  OnlineDenial denial{this, static_cast<std::uint16_t>(response.position()), 0};
  if (!nsec.ok() || !response.add(Response::authority, {type::nsec, 1, nsec.written(), {}, 0},
                                  owner, kQuestionName)) {
    return std::nullopt;
  }
  const bool is_wildcard = wire.size() > 1 && wire[0] == 1 && wire[1] == '*';
  ByteWriter rrsig(buffer);
  write_head(rrsig, type::rrsig, ttl, kRrsigFixed + zone_.size() + kSignatureOctets);
  rrsig.u16(type::nsec);
  rrsig.u8(static_cast<std::uint8_t>(key_.algorithm()));
  rrsig.u8(static_cast<std::uint8_t>(name.labels() - (is_wildcard ? 1 : 0)));
  rrsig.u32(ttl);
  rrsig.u32(expiration_);
  rrsig.u32(inception_);
  rrsig.u16(key_.tag());
  rrsig.put(zone_);
  rrsig.put(SignatureBytes{});
  denial.rrsig = static_cast<std::uint16_t>(response.position());
  if (!rrsig.ok() || !response.add(Response::authority, {type::rrsig, 1, rrsig.written(), {}, 0},
                                   owner, kQuestionName)) {
    return std::nullopt;
  }
  return denial;
}

bool OnlineKey::sign(const OnlineDenial& denial, MutableBytes message) const {
  const Bytes rrsig = message.subspan(denial.rrsig + kRecordHead, kRrsigFixed + zone_.size());
  const Bytes nsec = message.subspan(denial.nsec);
  const Bytes data = nsec.subspan(kRecordHead, std::size_t{nsec[10]} << 8 | nsec[11]);
  const auto next = name_size(data);
  if (!next) return false;
  std::vector<std::uint8_t> covered(rrsig.begin(), rrsig.end());
  const Bytes owner = data.subspan(kFirstLabel.size(), *next - kFirstLabel.size());
  covered.insert(covered.end(), owner.begin(), owner.end());
  const Bytes rest = nsec.subspan(2, kRecordHead - 2 + data.size());
  covered.insert(covered.end(), rest.begin(), rest.end());
  SignatureBytes signature;
  if (!key_.sign(covered, signature)) return false;
  std::copy(signature.begin(), signature.end(),
            message.data() + denial.rrsig + kRecordHead + rrsig.size());
  return true;
}

}  // namespace isochrone::dns
