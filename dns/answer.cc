// SPDX-License-Identifier: Apache-2.0
#include "dns/answer.h"

#include <algorithm>

#include "dns/answer_question.h"
#include "dns/chaos.h"
#include "dns/query.h"
#include "dns/response.h"

namespace isochrone::dns {
namespace {

std::size_t size_limit(const AnswerOptions& options, const Query& query, Transport transport,
                       std::size_t room) noexcept {
  if (transport == Transport::tcp) return std::min(room, kMaxMessage);
  const std::size_t asked = query.edns ? query.edns->udp_payload : kMinUdpPayload;
  const auto ours = std::max<std::size_t>(options.max_udp_payload, kMinUdpPayload);
  return std::min({asked, ours, room});
}

Rcode rcode_of(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::formerr:
      return Rcode::formerr;
    case Verdict::notimp:
      return Rcode::notimp;
    case Verdict::badvers:
      return Rcode::badvers;
    case Verdict::ok:
    case Verdict::ignore:
      break;
  }
  return Rcode::noerror;
}

void answer_chaos(const AnswerOptions& options, const Query& query, Response& response) noexcept {
  const auto text = chaos_text(options, query.name);
  if (text.empty() || (query.type != type::txt && query.type != type::any)) {
    return response.refuse(ExtendedError::not_authoritative);
  }
  response.set_authoritative();
  if (!response.add_chaos(text)) response.set_truncated();
}

// A well-formed query.
void answer_query(const Snapshot& snapshot, const Query& query, const Request& request,
                  Response& response, Reply& reply) noexcept {
  if (!query.has_question) return;  // the cookie is all that was asked for
  if (query.klass == kClassChaos) return answer_chaos(snapshot.options, query, response);
  if (query.klass != kClassIn) return response.refuse(ExtendedError::not_authoritative);
  // RFC 9824 section 3.5: a type that stands in bit maps only.
  if (query.type == type::nxname) {
    response.set_rcode(Rcode::formerr);
    return response.set_extended_error(ExtendedError::invalid_query_type);
  }
  // Transfers are taken out before a query comes here; over UDP, or unasked for, there are none.
  if (query.type == type::axfr || query.type == type::ixfr) {
    return response.refuse(ExtendedError::not_supported);
  }
  answer_question(snapshot, query, request, response, reply);
}

// What the reply's OPT carries; the verdict on the query's cookie goes into `reply`.
OptContents opt_contents(const AnswerOptions& options, const Query& query, const Request& request,
                         Reply& reply) noexcept {
  OptContents opt{options.max_udp_payload, {}, std::nullopt};
  if (!query.edns) return opt;
  if (query.edns->wants_nsid) opt.nsid = options.nsid;
  if (query.edns->cookie) {
    const Cookie& cookie = *query.edns->cookie;
    reply.cookie = check_cookie(options.cookies, cookie, request.sender, request.now);
    opt.cookie = renew_cookie(options.cookies, cookie, reply.cookie, request.sender, request.now);
  }
  return opt;
}

// Whether so large a reply to someone who may have lent his address to a victim is better not sent.
bool amplifies(const AnswerOptions& options, const Request& request, const Reply& reply) noexcept {
  return options.max_amplification != 0 && request.transport == Transport::udp &&
         reply.cookie != CookieVerdict::good &&
         reply.size > request.query.size() * options.max_amplification;
}

// A transfer is asked for, and a NOTIFY told, in some hundred octets. More than this is made to be hashed
// and read again and again, and is answered like any query.
constexpr std::size_t kMaxDeskOctets = 4'096;

bool needs_desk(const Query& query) noexcept {
  return query.has_tsig || query.opcode == kOpcodeNotify || query.type == type::axfr ||
         query.type == type::ixfr;
}

}  // namespace

Reply answer(const Snapshot& snapshot, const Request& request, MutableBytes out) noexcept {
  const AnswerOptions& options = snapshot.options;
  Reply reply;
  Query query;
  const Verdict verdict =
      parse_query(request.query, {options.edns_client_subnet, !options.cookies.empty()}, query);
  if (verdict == Verdict::ignore || out.size() < kMinUdpPayload) return reply;
  reply.needs_desk = needs_desk(query) && request.query.size() <= kMaxDeskOctets;
  OptContents opt = opt_contents(options, query, request, reply);
  const std::size_t limit = size_limit(options, query, request.transport, out.size());
  Response response(query, out, limit, opt);
  response.set_rcode(rcode_of(verdict));
  if (request.must_truncate) {
    response.set_truncated();
  } else if (verdict == Verdict::ok) {
    answer_query(snapshot, query, request, response, reply);
  }
  reply.rcode = response.rcode();
  reply.is_truncated = response.is_truncated();
  reply.size = response.finish();
  if (query.edns) {
    reply.opt_at = response.opt_at();
    reply.wants_keepalive = query.edns->wants_keepalive;
    reply.wants_padding = query.edns->wants_padding;
  }
  if (!amplifies(options, request, reply)) return reply;
  opt.nsid = {};
  Response short_response(query, out, limit, opt);
  short_response.set_rcode(reply.rcode);
  short_response.set_truncated();
  reply.unsigned_denial.reset();
  reply.is_truncated = true;
  reply.is_shortened = true;
  reply.size = short_response.finish();
  return reply;
}

}  // namespace isochrone::dns
