// SPDX-License-Identifier: Apache-2.0
#include "dns/transfer_desk.h"

#include <algorithm>
#include <utility>

#include "dns/name.h"
#include "dns/query.h"
#include "dns/response.h"
#include "dns/skip_name.h"
#include "dns/wire.h"

namespace isochrone::dns {
namespace {

constexpr unsigned kNotAuth = 9;  // RFC 2136 section 2.2, RFC 8945 section 5.3

void patch_u16(std::vector<std::uint8_t>& message, std::size_t at, unsigned value) {
  message[at] = static_cast<std::uint8_t>(value >> 8);
  message[at + 1] = static_cast<std::uint8_t>(value);
}

// Header, question, and OPT when the request had one (RFC 6891 section 7).
std::vector<std::uint8_t> bare_reply(const Snapshot& snapshot, const Query& query, unsigned rcode,
                                     bool is_authoritative) {
  const OptContents opt{snapshot.options.max_udp_payload, {}, std::nullopt};
  std::vector<std::uint8_t> reply(kMinUdpPayload);
  Response response(query, reply, reply.size(), opt);
  response.set_rcode(static_cast<Rcode>(rcode));
  if (is_authoritative) response.set_authoritative();
  reply.resize(response.finish());
  return reply;
}

KnownOptions known_options(const Snapshot& snapshot) {
  return {snapshot.options.edns_client_subnet, !snapshot.options.cookies.empty()};
}

std::vector<std::uint8_t> truncated(std::vector<std::uint8_t> reply) {
  reply[2] |= 0x02;  // TC
  return reply;
}

// Whether so large a reply to someone who may have lent his address to a victim is better not sent.
bool amplifies(const AnswerOptions& options, const Request& request, std::size_t size) {
  const std::size_t most = options.max_amplification;
  return most != 0 && size > request.query.size() * most;
}

// The serial of the SOA that an IXFR request has in its authority section (RFC 1995 section 3).
std::optional<std::uint32_t> serial_of(Bytes message, const Query& query) {
  ByteReader in(message);
  in.skip(6);
  const std::uint16_t answers = in.u16();
  const std::uint16_t authorities = in.u16();
  in.skip(2 + query.question.size());
  if (answers != 0 || authorities != 1) return std::nullopt;
  skip_name(in);
  const std::uint16_t record_type = in.u16();
  in.skip(6);
  ByteReader data(in.take(in.u16()));
  skip_name(data);
  skip_name(data);
  const std::uint32_t serial = data.u32();
  if (!in.ok() || !data.ok() || record_type != type::soa) return std::nullopt;
  return serial;
}

std::vector<std::uint8_t> without_tsig(Bytes message, std::size_t tsig_at) {
  std::vector<std::uint8_t> plain(message.begin(),
                                  message.begin() + static_cast<std::ptrdiff_t>(tsig_at));
  patch_u16(plain, 10, (static_cast<unsigned>(plain[10]) << 8 | plain[11]) - 1);
  return plain;
}

}  // namespace

struct TransferDesk::Signed {
  std::unique_ptr<TsigKey> key;  // null: unsigned
  std::unique_ptr<TsigChain> chain;

  Served reply(std::vector<std::uint8_t> message, std::uint32_t now,
               TsigError error = TsigError::none) const {
    if (chain) chain->sign(message, now, error);
    return {std::move(message), nullptr};
  }
};

std::optional<TransferDesk::Served> TransferDesk::serve(
    const std::shared_ptr<const Snapshot>& snapshot, const Request& request) {
  Tsig tsig;
  Signed sign;
  const TsigFound found = find_tsig(request.query, tsig);
  if (found == TsigFound::none) return serve_plain(snapshot, request, sign);
  if (found == TsigFound::broken) {
    Query query;
    parse_query(request.query, known_options(*snapshot), query);
    return Served{bare_reply(*snapshot, query, static_cast<unsigned>(Rcode::formerr), false),
                  nullptr};
  }
  std::vector<std::uint8_t> name(tsig.name.begin(), tsig.name.end());
  std::transform(name.begin(), name.end(), name.begin(), fold);
  const TsigKey* key = snapshot->transfers ? snapshot->transfers->key(Bytes(name)) : nullptr;
  TsigError error = TsigError::bad_key;
  if (key != nullptr) {
    sign.key = std::make_unique<TsigKey>(*key);
    sign.chain = std::make_unique<TsigChain>(*sign.key);
    error = sign.chain->verify(request.query, tsig, request.now);
  }
  const auto plain = without_tsig(request.query, tsig.at);
  if (error != TsigError::none) counters_.tsig_refused.add();
  if (error == TsigError::bad_time) {
    Query query;
    parse_query(plain, known_options(*snapshot), query);
    return sign.reply(bare_reply(*snapshot, query, kNotAuth, false), request.now, error);
  }
  if (error != TsigError::none) return Served{refuse_tsig(request.query, tsig, error), nullptr};
  Request inner = request;
  inner.query = plain;
  auto served = serve_plain(snapshot, inner, sign);
  return served ? std::move(served) : answer_signed(*snapshot, inner, sign);
}

// Nothing when the message is none of ours.
std::optional<TransferDesk::Served> TransferDesk::serve_plain(
    const std::shared_ptr<const Snapshot>& snapshot, const Request& request, Signed& sign) {
  Query query;
  const Verdict verdict = parse_query(request.query, known_options(*snapshot), query);
  if (!query.has_question || query.klass != kClassIn || !snapshot->transfers) return std::nullopt;
  if (query.opcode == kOpcodeNotify) return notify(*snapshot, request, query, sign);
  const bool is_transfer = query.type == type::axfr || query.type == type::ixfr;
  if (verdict != Verdict::ok || !is_transfer) return std::nullopt;
  return transfer(snapshot, request, query, sign);
}

TransferDesk::Served TransferDesk::transfer(const std::shared_ptr<const Snapshot>& snapshot,
                                            const Request& request, const Query& query,
                                            Signed& sign) {
  const auto refuse = [&](unsigned rcode) {
    counters_.transfers_refused.add();
    return sign.reply(bare_reply(*snapshot, query, rcode, false), request.now);
  };
  const bool is_udp = request.transport == Transport::udp;
  const ZoneTransfer* rules = snapshot->transfers->zone(query.name.wire());
  const bool may = rules != nullptr && allows(rules->options, request.sender, sign.key.get());
  if (!may || (is_udp && query.type == type::axfr)) {
    return refuse(static_cast<unsigned>(Rcode::refused));
  }
  const Zone* zone = snapshot->zones->find(query.name, type::soa);
  if (zone == nullptr || zone->origin_labels() != query.name.labels()) return refuse(kNotAuth);
  if (!zone->is_available()) return refuse(static_cast<unsigned>(Rcode::servfail));
  TransferOut::Request wanted;
  if (query.type == type::ixfr) {
    wanted.have = serial_of(request.query, query);
    if (!wanted.have) return refuse(static_cast<unsigned>(Rcode::formerr));
  }
  // The same zone is asked for again later; a client that waits would hold its place here.
  if (!is_udp && *running_ >= snapshot->transfers->max_transfers) {
    return refuse(static_cast<unsigned>(Rcode::servfail));
  }
  wanted.id = query.id;
  wanted.recursion_desired = query.recursion_desired;
  wanted.question.assign(query.question.begin(), query.question.end());
  const auto bare = bare_reply(*snapshot, query, 0, true);
  wanted.opt.assign(
      bare.begin() + static_cast<std::ptrdiff_t>(kHeaderOctets + query.question.size()),
      bare.end());
  wanted.is_udp = is_udp;
  const bool is_signed = sign.key != nullptr;
  wanted.key = std::move(sign.key);
  wanted.chain = std::move(sign.chain);
  ++*running_;
  wanted.slot = std::shared_ptr<void>(nullptr, [running = running_](void*) { --*running; });
  counters_.transfers_begun.add();
  auto transfer = std::make_unique<TransferOut>(snapshot, *zone, std::move(wanted));
  if (!is_udp) return {{}, std::move(transfer)};
  auto reply = transfer->next(request.now);
  const bool is_too_large = !is_signed && amplifies(snapshot->options, request, reply.size());
  return {is_too_large ? truncated(bare) : std::move(reply), nullptr};
}

TransferDesk::Served TransferDesk::notify(const Snapshot& snapshot, const Request& request,
                                          const Query& query, Signed& sign) {
  const ZoneTransfer* rules = snapshot.transfers->zone(query.name.wire());
  if (rules == nullptr || rules->options.primaries.empty()) {
    return sign.reply(bare_reply(snapshot, query, kNotAuth, false), request.now);
  }
  if (query.type != type::soa || !is_primary(rules->options, request.sender, sign.key.get())) {
    counters_.transfers_refused.add();
    return sign.reply(bare_reply(snapshot, query, static_cast<unsigned>(Rcode::refused), false),
                      request.now);
  }
  if (notified_) notified_(query.name.wire(), request.sender);
  return sign.reply(bare_reply(snapshot, query, 0, true), request.now);
}

TransferDesk::Served TransferDesk::answer_signed(const Snapshot& snapshot, const Request& request,
                                                 Signed& sign) {
  std::vector<std::uint8_t> out(kMaxMessage);
  const std::size_t room = tsig_octets(*sign.key);
  std::size_t limit = kMaxMessage;
  if (request.transport == Transport::udp) {
    Query query;
    parse_query(request.query, {false, false}, query);
    limit = std::min<std::size_t>(query.edns ? query.edns->udp_payload : kMinUdpPayload,
                                  snapshot.options.max_udp_payload);
  }
  limit = std::max(limit, kMinUdpPayload);
  Reply reply =
      answer(snapshot, request, MutableBytes(out).first(std::max(limit - room, kMinUdpPayload)));
  if (reply.size + room > limit) {
    Request shortened = request;
    shortened.must_truncate = true;
    reply = answer(snapshot, shortened, MutableBytes(out).first(kMinUdpPayload));
  }
  out.resize(reply.size);
  return sign.reply(std::move(out), request.now);
}

}  // namespace isochrone::dns
