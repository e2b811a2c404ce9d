// SPDX-License-Identifier: Apache-2.0
#include "dns/transfer_in.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dns/journal.h"
#include "dns/wire.h"

namespace isochrone::dns {
namespace {

// One for each label that a name can have: a longer ladder of pointers only costs time.
constexpr std::size_t kMaxJumps = 127;

// Where compressible names stand in a type's data (RFC 1035, and those RFC 3597 section 4 adds).
struct NameLayout {
  std::size_t before = 0;
  std::size_t names = 0;
};

NameLayout layout_of(std::uint16_t record_type) {
  switch (record_type) {
    case type::ns:
    case type::cname:
    case type::ptr:
    case type::dname:
    case 3:  // MD
    case 4:  // MF
    case 7:  // MB
    case 8:  // MG
    case 9:  // MR
      return {0, 1};
    case type::soa:
    case 14:  // MINFO
    case 17:  // RP
      return {0, 2};
    case type::mx:
    case 18:  // AFSDB
    case 21:  // RT
    case 36:  // KX
      return {2, 1};
    case 33:  // SRV
      return {6, 1};
    default:
      return {};
  }
}

std::optional<std::uint32_t> soa_serial(Bytes data) {
  const auto first = name_size(data);
  const auto second = first ? name_size(data.subspan(*first)) : std::nullopt;
  if (!second || data.size() != *first + *second + 20) return std::nullopt;
  return ByteReader(data.subspan(*first + *second)).u32();
}

std::vector<std::uint8_t> identity(Bytes owner, std::uint16_t record_type, Bytes data) {
  std::vector<std::uint8_t> id(owner.begin(), owner.end());
  std::transform(id.begin(), id.end(), id.begin(), fold);
  id.push_back(static_cast<std::uint8_t>(record_type >> 8));
  id.push_back(static_cast<std::uint8_t>(record_type));
  id.insert(id.end(), data.begin(), data.end());
  return id;
}

void put(std::vector<std::uint8_t>& out, std::uint64_t value, int octets) {
  for (int i = octets; i-- > 0;) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

}  // namespace

std::optional<std::vector<std::uint8_t>> expand_name(Bytes message, std::size_t& at) {
  std::vector<std::uint8_t> name;
  std::size_t place = at;
  std::size_t lowest = at;  // pointers lead before it, so the walk ends
  std::size_t jumps = 0;
  while (place < message.size()) {
    const std::size_t length = message[place];
    if (length >= 0xc0) {
      if (place + 1 >= message.size()) return std::nullopt;
      const std::size_t target = (length & 0x3f) << 8 | message[place + 1];
      if (jumps == 0) at = place + 2;
      if (target >= lowest || ++jumps > kMaxJumps) return std::nullopt;
      lowest = place = target;
      continue;
    }
    const std::size_t size = length + 1;
    if (length > kMaxLabelOctets || size > message.size() - place ||
        name.size() + size > kMaxNameOctets) {
      return std::nullopt;
    }
    name.insert(name.end(), message.begin() + static_cast<std::ptrdiff_t>(place),
                message.begin() + static_cast<std::ptrdiff_t>(place + size));
    place += size;
    if (length > 0) continue;
    if (jumps == 0) at = place;
    return name;
  }
  return std::nullopt;
}

std::optional<std::vector<std::uint8_t>> expand_data(Bytes message, std::size_t at,
                                                     std::size_t octets,
                                                     std::uint16_t record_type) {
  const std::size_t end = at + octets;
  if (at > message.size() || octets > message.size() - at) return std::nullopt;
  const NameLayout layout = layout_of(record_type);
  if (layout.before > octets) return std::nullopt;
  const auto bytes = [&](std::size_t from, std::size_t to) {
    return std::pair(message.begin() + static_cast<std::ptrdiff_t>(from),
                     message.begin() + static_cast<std::ptrdiff_t>(to));
  };
  const auto [head, head_end] = bytes(at, at + layout.before);
  std::vector<std::uint8_t> data(head, head_end);
  at += layout.before;
  for (std::size_t i = 0; i < layout.names; ++i) {
    const auto name = expand_name(message, at);
    if (!name || at > end) return std::nullopt;
    data.insert(data.end(), name->begin(), name->end());
  }
  const auto [rest, rest_end] = bytes(at, end);
  data.insert(data.end(), rest, rest_end);
  return data;
}

TransferIn::TransferIn(Bytes apex, std::optional<std::uint32_t> serial, Held held,
                       const TsigKey* key, std::uint16_t id)
    : apex_(apex.begin(), apex.end()), held_serial_(serial), held_(std::move(held)), id_(id) {
  if (key != nullptr) chain_.emplace(*key);
  records_.origin = apex_;
}

std::vector<std::uint8_t> TransferIn::request(bool whole, std::uint64_t now) {
  is_whole_wanted_ = whole || !held_serial_;
  std::vector<std::uint8_t> message;
  put(message, id_, 2);
  put(message, 0, 2);
  put(message, 1, 2);
  put(message, 0, 2);
  put(message, is_whole_wanted_ ? 0 : 1, 2);
  put(message, 0, 2);
  message.insert(message.end(), apex_.begin(), apex_.end());
  put(message, is_whole_wanted_ ? type::axfr : type::ixfr, 2);
  put(message, kClassIn, 2);
  if (!is_whole_wanted_) {
    // Of the SOA only the serial counts (RFC 1995 section 3): names are the root.
    put(message, kPointerTag | kQuestionName, 2);
    put(message, type::soa, 2);
    put(message, kClassIn, 2);
    put(message, 0, 4);
    put(message, 22, 2);
    put(message, 0, 2);
    put(message, *held_serial_, 4);
    for (int i = 0; i < 4; ++i) put(message, 0, 4);
  }
  if (chain_) chain_->sign(message, now);
  return message;
}

TransferIn::Step TransferIn::fail(std::string why, bool may_fall_back) {
  why_ = std::move(why);
  state_ = State::end;
  return may_fall_back && !is_whole_wanted_ ? Step::fall_back : Step::failed;
}

bool TransferIn::check_signature(Bytes message, std::uint64_t now) {
  Tsig tsig;
  const TsigFound found = find_tsig(message, tsig);
  if (found == TsigFound::broken) return false;
  if (!chain_) return true;  // unsigned was asked for
  if (found == TsigFound::none) return chain_->pass(message);
  return tsig.error == 0 && chain_->verify(message, tsig, now) == TsigError::none;
}

TransferIn::Step TransferIn::take(Bytes message, std::uint64_t now) {
  if (state_ == State::end) return Step::failed;
  if (message.size() < kHeaderOctets) return fail("a message without header");
  ByteReader in(message);
  if (in.u16() != id_) return fail("a message with another id");
  const std::uint16_t flags = in.u16();
  // Before anything is believed, a refusal included.
  if (!check_signature(message, now)) return fail("the signature is wrong or missing", false);
  if ((flags & 0xf800) != 0x8000) return fail("a message that is no reply");
  if (const unsigned rcode = flags & 0xfU; rcode != 0) {
    return fail(fmt::format("the primary refuses with code {}", rcode));
  }
  if ((flags & 0x0200) != 0) return fail("a truncated message");
  Step step = take_records(message);
  if (step == Step::more && state_ == State::second && message.size() > kHeaderOctets &&
      !is_whole_wanted_) {
    // One SOA and no more: the primary has what we have, or could not say (RFC 1995 section 4).
    return fail("the primary has a newer version but sent its SOA alone");
  }
  if (step == Step::done && chain_ && !chain_->is_complete()) {
    return fail("the last message is not signed", false);
  }
  return step;
}

TransferIn::Step TransferIn::take_records(Bytes message) {
  ByteReader counts(message.subspan(4));
  const unsigned questions = counts.u16();
  const unsigned answers = counts.u16();
  std::size_t at = kHeaderOctets;
  for (unsigned i = 0; i < questions; ++i) {
    if (!expand_name(message, at) || message.size() - at < 4) return fail("a broken question");
    at += 4;
  }
  Step step = Step::more;
  for (unsigned i = 0; i < answers; ++i) {
    if (step == Step::done) return fail("records behind the end");
    const auto owner = expand_name(message, at);
    if (!owner || message.size() - at < 10) return fail("a broken record");
    ByteReader head(message.subspan(at));
    const std::uint16_t record_type = head.u16();
    const std::uint16_t klass = head.u16();
    const std::uint32_t ttl = head.u32();
    const std::size_t octets = head.u16();
    at += 10;
    const auto data = expand_data(message, at, octets, record_type);
    if (!data) return fail("a broken record");
    at += octets;
    if (klass != kClassIn) return fail("a record of another class");
    octets_ += owner->size() + data->size();
    if (octets_ > kMaxTransferOctets) return fail("the zone is larger than 1 GiB", false);
    step = take_record(*owner, record_type, ttl, *data);
    if (step != Step::more && step != Step::done) return step;
  }
  return step;
}

TransferIn::Step TransferIn::take_record(Bytes owner, std::uint16_t record_type, std::uint32_t ttl,
                                         Bytes data) {
  if (record_type == type::soa) {
    const auto serial = soa_serial(data);
    if (!serial) return fail("a broken SOA");
    return take_soa(owner, ttl, data, *serial);
  }
  switch (state_) {
    case State::start:
      return fail("the first record is no SOA");
    case State::second:
      state_ = State::whole;
      [[fallthrough]];
    case State::whole:
      if (records_.add(owner, record_type, ttl, data, 0)) return Step::more;
      return fail(records_.errors.back().text(), false);
    case State::removing:
    case State::adding:
      return change(owner, record_type, ttl, data)
                 ? Step::more
                 : fail("the difference does not fit the version that is held");
    case State::end:
      break;
  }
  return fail("records behind the end");
}

TransferIn::Step TransferIn::take_soa(Bytes owner, std::uint32_t ttl, Bytes data,
                                      std::uint32_t serial) {
  std::vector<std::uint8_t> folded(owner.begin(), owner.end());
  std::transform(folded.begin(), folded.end(), folded.begin(), fold);
  if (folded != apex_) return fail("an SOA of another zone", false);
  switch (state_) {
    case State::start:
      serial_ = serial;
      state_ = State::second;
      // Never back to an older version, whoever sends it.
      if (held_serial_ && !is_newer_serial(serial, *held_serial_)) return Step::current;
      records_.add(owner, type::soa, ttl, data, 0);
      return Step::more;
    case State::second:
      if (serial != serial_ && held_serial_ == serial && !is_whole_wanted_) {
        step_serial_ = serial;
        state_ = State::removing;
        return change(owner, type::soa, ttl, data) ? Step::more
                                                   : fail("another SOA than the one that is held");
      }
      [[fallthrough]];
    case State::whole:
      if (serial != serial_) return fail("the last SOA has another serial");
      return Step::done;
    case State::removing:
      step_serial_ = serial;
      state_ = State::adding;
      return change(owner, type::soa, ttl, data) ? Step::more
                                                 : fail("an SOA that was there already");
    case State::adding:
      if (serial == serial_ && step_serial_ == serial_) return finish_incremental();
      if (serial != step_serial_) return fail("a step that does not follow on the one before");
      state_ = State::removing;
      return change(owner, type::soa, ttl, data) ? Step::more : fail("an SOA that is not there");
    case State::end:
      break;
  }
  return fail("records behind the end");
}

// One change on top of those before it; what was added and is removed again leaves nothing.
bool TransferIn::change(Bytes owner, std::uint16_t record_type, std::uint32_t ttl, Bytes data) {
  Identity id = identity(owner, record_type, data);
  if (state_ == State::adding) {
    return added_.emplace(std::move(id), Added{owner.size(), ttl}).second;
  }
  if (added_.erase(id) != 0) return true;
  return removed_.insert(std::move(id)).second;
}

TransferIn::Step TransferIn::finish_incremental() {
  const ZoneRecords held = held_();
  std::size_t missing = removed_.size();
  ZoneRecords next;
  next.origin = apex_;
  for (const ZoneRecords::Row& row : held.rows) {
    const Identity id = identity(held.owner(row), row.type, held.rdata(row));
    const bool is_removed = removed_.count(id) != 0;
    if (is_removed) {
      --missing;
    } else if (added_.count(id) != 0) {
      return fail("the difference adds what is there already");
    } else {
      next.add(held.owner(row), row.type, row.ttl, held.rdata(row), 0);
    }
  }
  if (missing != 0) return fail("the difference does not fit the version that is held");
  for (const auto& [id, added] : added_) {
    const Bytes all(id);
    const Bytes owner = all.first(added.owner_octets);
    ByteReader rest(all.subspan(added.owner_octets));
    const std::uint16_t record_type = rest.u16();
    next.add(owner, record_type, added.ttl, rest.take(rest.remaining()), 0);
  }
  if (!next.errors.empty()) return fail(next.errors.front().text(), false);
  records_ = std::move(next);
  return Step::done;
}

}  // namespace isochrone::dns
