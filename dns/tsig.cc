// SPDX-License-Identifier: Apache-2.0
#include "dns/tsig.h"

#include <algorithm>
#include <array>

#include "dns/name.h"
#include "dns/skip_name.h"
#include "dns/wire.h"

namespace isochrone::dns {
namespace {

constexpr std::uint16_t kClassAny = 255;
constexpr unsigned kNotAuth = 9;

class Out {
 public:
  explicit Out(std::vector<std::uint8_t>& bytes) : bytes_(bytes) {}
  void number(std::uint64_t value, int octets) {
    for (int i = octets; i-- > 0;) bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }
  void put(Bytes bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }

 private:
  std::vector<std::uint8_t>& bytes_;
};

std::vector<std::uint8_t> folded(Bytes name) {
  std::vector<std::uint8_t> out(name.begin(), name.end());
  std::transform(out.begin(), out.end(), out.begin(), fold);
  return out;
}

Bytes take_name(ByteReader& in, Bytes all) {
  const Bytes rest = all.subspan(std::min(in.position(), all.size()));
  const auto size = name_size(rest);
  return in.take(size.value_or(kMaxMessage + 1));
}

bool read_data(Bytes data, Tsig& tsig) {
  ByteReader in(data);
  tsig.algorithm = take_name(in, data);
  tsig.time = std::uint64_t{in.u16()} << 32;
  tsig.time |= in.u32();
  tsig.fudge = in.u16();
  tsig.mac = in.take(in.u16());
  tsig.original_id = in.u16();
  tsig.error = in.u16();
  tsig.other = in.take(in.u16());
  return in.ok() && in.remaining() == 0;
}

void patch_u16(std::vector<std::uint8_t>& message, std::size_t at, unsigned value) {
  message[at] = static_cast<std::uint8_t>(value >> 8);
  message[at + 1] = static_cast<std::uint8_t>(value);
}

unsigned u16_at(Bytes message, std::size_t at) {
  return static_cast<unsigned>(message[at]) << 8 | message[at + 1];
}

void append_tsig(std::vector<std::uint8_t>& message, const Tsig& tsig) {
  Out out(message);
  out.put(tsig.name);
  out.number(kTypeTsig, 2);
  out.number(kClassAny, 2);
  out.number(0, 4);
  out.number(tsig.algorithm.size() + 16 + tsig.mac.size() + tsig.other.size(), 2);
  out.put(tsig.algorithm);
  out.number(tsig.time, 6);
  out.number(tsig.fudge, 2);
  out.number(tsig.mac.size(), 2);
  out.put(tsig.mac);
  out.number(tsig.original_id, 2);
  out.number(tsig.error, 2);
  out.number(tsig.other.size(), 2);
  out.put(tsig.other);
  patch_u16(message, 10, u16_at(message, 10) + 1);
}

}  // namespace

const char* to_string(TsigError error) {
  switch (error) {
    case TsigError::none:
      return "none";
    case TsigError::bad_sig:
      return "bad signature";
    case TsigError::bad_key:
      return "unknown key";
    case TsigError::bad_time:
      return "clocks differ";
  }
  return "unknown";
}

Bytes algorithm_name(HmacAlgorithm algorithm) {
  static constexpr std::uint8_t kNames[3][13] = {
      {11, 'h', 'm', 'a', 'c', '-', 's', 'h', 'a', '2', '5', '6', 0},
      {11, 'h', 'm', 'a', 'c', '-', 's', 'h', 'a', '3', '8', '4', 0},
      {11, 'h', 'm', 'a', 'c', '-', 's', 'h', 'a', '5', '1', '2', 0}};
  return Bytes(kNames[static_cast<std::size_t>(algorithm)]);
}

std::size_t tsig_octets(const TsigKey& key) {
  constexpr std::size_t kFixed =
      10 + 16 + 6;  // record head, fields of the data, time of the server
  constexpr std::size_t kLongestMac = 64;
  return key.wire.size() + algorithm_name(key.algorithm).size() + kFixed + kLongestMac;
}

TsigFound find_tsig(Bytes message, Tsig& tsig) {
  if (message.size() < kHeaderOctets) return TsigFound::none;
  ByteReader in(message);
  in.skip(4);
  const unsigned questions = in.u16();
  unsigned records = in.u16();
  records += in.u16();
  records += in.u16();
  const bool has_additional = u16_at(message, 10) > 0;
  for (unsigned i = 0; i < questions && in.ok(); ++i) {
    skip_name(in);
    in.skip(4);
  }
  for (unsigned i = 0; i < records && in.ok(); ++i) {
    const std::size_t start = in.position();
    skip_name(in);
    const std::uint16_t record_type = in.u16();
    const std::uint16_t klass = in.u16();
    const std::uint32_t ttl = in.u32();
    const Bytes data = in.take(in.u16());
    if (!in.ok() || record_type != kTypeTsig) continue;
    const bool is_last = i + 1 == records && has_additional && in.remaining() == 0;
    const auto name = name_size(message.subspan(start));
    if (!is_last || klass != kClassAny || ttl != 0 || !name || !read_data(data, tsig)) {
      return TsigFound::broken;
    }
    tsig.at = start;
    tsig.name = message.subspan(start, *name);
    return TsigFound::one;
  }
  return in.ok() ? TsigFound::none : TsigFound::broken;
}

std::vector<std::uint8_t> TsigChain::digest(Bytes message, std::uint64_t time, std::uint16_t fudge,
                                            std::uint16_t error, Bytes other) const {
  std::vector<std::uint8_t> input;
  input.reserve(mac_.size() + pending_.size() + message.size() + 600);
  Out out(input);
  if (!mac_.empty()) {
    out.number(mac_.size(), 2);
    out.put(mac_);
  }
  out.put(pending_);
  out.put(message);
  // The messages of a reply after its first are signed with the timers alone (section 5.3.1).
  const bool has_variables = messages_ < 2;
  if (has_variables) {
    out.put(key_.wire);
    out.number(kClassAny, 2);
    out.number(0, 4);
    out.put(algorithm_name(key_.algorithm));
  }
  out.number(time, 6);
  out.number(fudge, 2);
  if (has_variables) {
    out.number(error, 2);
    out.number(other.size(), 2);
    out.put(other);
  }
  return hmac(key_.algorithm, key_.secret, input);
}

void TsigChain::sign(std::vector<std::uint8_t>& message, std::uint64_t now, TsigError error) {
  std::vector<std::uint8_t> other;
  if (error == TsigError::bad_time) Out(other).number(now, 6);
  const auto error_number = static_cast<std::uint16_t>(error);
  // Of clocks that differ the client's stands as the time, ours as other data (section 5.2.3).
  const std::uint64_t time = error == TsigError::bad_time ? last_time_ : now;
  mac_ = digest(message, time, kTsigFudge, error_number, other);
  ++messages_;
  Tsig tsig;
  tsig.name = key_.wire;
  tsig.algorithm = algorithm_name(key_.algorithm);
  tsig.time = time;
  tsig.fudge = kTsigFudge;
  tsig.mac = mac_;
  tsig.original_id = static_cast<std::uint16_t>(u16_at(message, 0));
  tsig.error = error_number;
  tsig.other = other;
  append_tsig(message, tsig);
}

TsigError TsigChain::verify(Bytes message, const Tsig& tsig, std::uint64_t now) {
  if (folded(tsig.name) != key_.wire) return TsigError::bad_key;
  const auto algorithm = folded(tsig.algorithm);
  const Bytes wanted = algorithm_name(key_.algorithm);
  if (!std::equal(algorithm.begin(), algorithm.end(), wanted.begin(), wanted.end())) {
    return TsigError::bad_key;
  }
  std::vector<std::uint8_t> plain(message.begin(),
                                  message.begin() + static_cast<std::ptrdiff_t>(tsig.at));
  patch_u16(plain, 0, tsig.original_id);
  patch_u16(plain, 10, u16_at(plain, 10) - 1);
  auto mac = digest(plain, tsig.time, tsig.fudge, tsig.error, tsig.other);
  if (!is_equal_secret(mac, tsig.mac)) return TsigError::bad_sig;
  mac_ = std::move(mac);
  last_time_ = tsig.time;
  pending_.clear();
  unsigned_ = 0;
  ++messages_;
  // Times are 48 bits, so the sums cannot overflow.
  const bool is_in_time = now + tsig.fudge >= tsig.time && tsig.time + tsig.fudge >= now;
  return is_in_time ? TsigError::none : TsigError::bad_time;
}

bool TsigChain::pass(Bytes message) {
  // The first message of a reply must be signed.
  if (messages_ < 2 || ++unsigned_ > kMaxUnsigned) return false;
  pending_.insert(pending_.end(), message.begin(), message.end());
  return true;
}

std::vector<std::uint8_t> refuse_tsig(Bytes request, const Tsig& tsig, TsigError error) {
  std::vector<std::uint8_t> reply(request.begin(), request.begin() + kHeaderOctets);
  reply[2] = static_cast<std::uint8_t>((request[2] & 0x79) | 0x80);  // QR, and opcode and RD kept
  reply[3] = kNotAuth;
  for (std::size_t count = 4; count <= 10; count += 2) patch_u16(reply, count, 0);
  ByteReader in(request);
  in.skip(kHeaderOctets);
  const Bytes name = take_name(in, request);
  in.skip(4);
  if (in.ok() && u16_at(request, 4) == 1 && !name.empty()) {
    Out(reply).put(request.subspan(kHeaderOctets, name.size() + 4));
    patch_u16(reply, 4, 1);
  }
  Tsig told = tsig;
  told.mac = {};
  told.other = {};
  told.error = static_cast<std::uint16_t>(error);
  append_tsig(reply, told);
  return reply;
}

}  // namespace isochrone::dns
