// SPDX-License-Identifier: Apache-2.0
//
// Gate: lets requests in by their tokens, and counts those it does not.
//
// Threads: any; replace() takes effect for the requests after it.
// Source:  RFC 6750 (bearer tokens): 401 and WWW-Authenticate for a token that is missing or wrong, 403
//          for one that is not for this.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "base/guarded.h"
#include "base/http_server.h"
#include "base/metrics.h"
#include "event/access.h"

namespace isochrone::event {

// Who asks. Everybody, where there are no tokens.
class Caller {
 public:
  Caller(std::shared_ptr<const Access> access, const Token* token)
      : access_(std::move(access)), token_(token) {}

  bool may_read(Channel channel) const { return !token_ || event::may_read(*token_, channel); }
  bool may_post(Channel channel) const { return !token_ || event::may_post(*token_, channel); }
  bool may_query() const { return !token_ || event::may_query(*token_); }
  std::optional<std::string> objection(const Event& event) const {
    return token_ ? event::objection(*token_, event) : std::nullopt;
  }
  // The token's name; empty: everybody.
  std::string_view name() const { return token_ ? std::string_view(token_->name) : ""; }

 private:
  std::shared_ptr<const Access> access_;  // owns the token
  const Token* token_;
};

class Gate {
 public:
  explicit Gate(Access access);
  void replace(Access access);

  // Who it is, or the answer to give.
  tl::expected<Caller, HttpResponse> admit(const HttpRequest& request);
  // The answer to one that may not: "read the channel state".
  HttpResponse forbid(const Caller& caller, std::string_view what);
  void measure(Metrics& metrics) const;

 private:
  enum class Why : std::uint8_t { certificate, no_token, unknown_token, role };
  HttpResponse refuse(Why why, int status, std::string_view error, std::string_view hint);

  Guarded<std::shared_ptr<const Access>> access_;
  std::array<std::atomic<std::uint64_t>, 4> refused_{};  // several threads raise them
};

}  // namespace isochrone::event
