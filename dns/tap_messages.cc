// SPDX-License-Identifier: Apache-2.0
#include "dns/tap_messages.h"

#include <dnstap.pb.h>
#include <fmt/format.h>

#include <utility>

#include "dns/wire.h"

namespace isochrone::dns {
namespace {

std::uint64_t seconds_of(Instant instant) {
  return static_cast<std::uint64_t>(unix_nanos(instant) / 1'000'000'000);
}

std::uint32_t nanos_of(Instant instant) {
  return static_cast<std::uint32_t>(unix_nanos(instant) % 1'000'000'000);
}

dnstap::SocketProtocol protocol_of(TapProtocol protocol) {
  switch (protocol) {
    case TapProtocol::udp:
      return dnstap::UDP;
    case TapProtocol::tcp:
      return dnstap::TCP;
    case TapProtocol::tls:
      break;
  }
  return dnstap::DOT;
}

void set_address(std::string& field, const Address& address) {
  const auto bytes = address.bytes();
  field.assign(reinterpret_cast<const char*>(bytes.data()), address.is_v4() ? 4 : 16);
}

void set_bytes(std::string& field, Bytes bytes) {
  field.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string rule_of(const TapView& record) {
  const TapReason& why = record.head.why;
  std::string rule;
  if (!record.site.empty()) rule = fmt::format("site={} ", record.site);
  rule += fmt::format("reason={} scope={} generation={}", routing::to_string(why.reason), why.scope,
                      why.generation);
  if (why.override != routing::Override::none) {
    rule += fmt::format(" override={}", routing::to_string(why.override));
  }
  return rule;
}

void describe(const TapView& record, dnstap::Policy& policy) {
  const TapReason& why = record.head.why;
  policy.set_type("isochrone");
  policy.set_match(dnstap::Policy::CLIENT_IP);
  policy.set_value(why.network.to_string());
  policy.set_rule(rule_of(record));
  if (record.answer.size() < kHeaderOctets) return;
  const bool is_truncated = (record.answer[2] & 0x02) != 0;
  const bool is_noerror = (record.answer[3] & 0x0f) == 0;
  if (is_truncated) {
    policy.set_action(dnstap::Policy::TRUNCATE);
  } else if (!why.is_withheld) {
    policy.set_action(dnstap::Policy::LOCAL_DATA);
  } else if (is_noerror) {
    policy.set_action(dnstap::Policy::NODATA);
  }
}

}  // namespace

struct TapMessages::Impl {
  // Used again and again, so that the fields keep their memory.
  dnstap::Dnstap of_query;
  dnstap::Dnstap of_answer;

  void write(const dnstap::Dnstap& message, TapBacklog& to) const {
    const MutableBytes room = to.add(message.ByteSizeLong());
    message.SerializeWithCachedSizesToArray(room.data());
  }

  // What both kinds have.
  static dnstap::Message& begin(const TapRecord& head, dnstap::Dnstap& to) {
    dnstap::Message& message = *to.mutable_message();
    const TapFlow& flow = head.flow;
    message.set_socket_family(flow.client.address.is_v4() ? dnstap::INET : dnstap::INET6);
    message.set_socket_protocol(protocol_of(flow.protocol));
    set_address(*message.mutable_query_address(), flow.client.address);
    set_address(*message.mutable_response_address(), flow.server.address);
    message.set_query_port(flow.client.port);
    message.set_response_port(flow.server.port);
    message.set_query_time_sec(seconds_of(head.received));
    message.set_query_time_nsec(nanos_of(head.received));
    return message;
  }
};

TapMessages::TapMessages(std::string identity, std::string version)
    : impl_(std::make_unique<Impl>()) {
  for (dnstap::Dnstap* each : {&impl_->of_query, &impl_->of_answer}) {
    each->set_type(dnstap::Dnstap::MESSAGE);
    each->set_identity(identity);
    each->set_version(version);
  }
  impl_->of_query.mutable_message()->set_type(dnstap::Message::AUTH_QUERY);
  impl_->of_answer.mutable_message()->set_type(dnstap::Message::AUTH_RESPONSE);
}

TapMessages::~TapMessages() = default;

void TapMessages::add(const TapView& record, TapBacklog& to) {
  if (!record.query.empty()) {
    dnstap::Message& message = Impl::begin(record.head, impl_->of_query);
    set_bytes(*message.mutable_query_message(), record.query);
    impl_->write(impl_->of_query, to);
  }
  if (record.answer.empty()) return;
  dnstap::Message& message = Impl::begin(record.head, impl_->of_answer);
  message.set_response_time_sec(seconds_of(record.head.answered));
  message.set_response_time_nsec(nanos_of(record.head.answered));
  set_bytes(*message.mutable_response_message(), record.answer);
  message.clear_policy();
  if (record.head.why.is_routed) describe(record, *message.mutable_policy());
  impl_->write(impl_->of_answer, to);
}

}  // namespace isochrone::dns
