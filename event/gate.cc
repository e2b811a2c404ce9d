// SPDX-License-Identifier: Apache-2.0
#include "event/gate.h"

#include <fmt/format.h>

#include "base/text.h"

namespace isochrone::event {
namespace {

// The secret of "Bearer SECRET"; the scheme in any case (RFC 9110 section 11.1).
std::optional<std::string_view> bearer(const HttpRequest& request) {
  const auto found = request.headers.find("authorization");
  if (found == request.headers.end()) return std::nullopt;
  const std::string_view value = trim(found->second);
  constexpr std::string_view kScheme = "bearer ";
  if (to_lower(value.substr(0, kScheme.size())) != kScheme) return std::nullopt;
  return trim(value.substr(kScheme.size()));
}

}  // namespace

Gate::Gate(Access access) { replace(std::move(access)); }

void Gate::replace(Access access) {
  auto next = std::make_shared<const Access>(std::move(access));
  access_.with([&](auto& current) { current = std::move(next); });
}

HttpResponse Gate::refuse(Why why, int status, std::string_view error, std::string_view hint) {
  refused_[static_cast<std::size_t>(why)].fetch_add(1, std::memory_order_relaxed);
  HttpResponse response = http_error(status, error, hint);
  if (status == 401) {
    response.headers["WWW-Authenticate"] =
        why == Why::unknown_token ? "Bearer error=\"invalid_token\"" : "Bearer";
  }
  return response;
}

tl::expected<Caller, HttpResponse> Gate::admit(const HttpRequest& request) {
  auto access = access_.with([](const auto& current) { return current; });
  if (access->is_open()) return Caller(std::move(access), nullptr);
  const auto secret = bearer(request);
  if (!secret) {
    return tl::unexpected(
        refuse(Why::no_token, 401, "this needs a token", "send \"Authorization: Bearer TOKEN\""));
  }
  const Token* token = access->find(*secret);
  if (token == nullptr) {
    return tl::unexpected(refuse(Why::unknown_token, 401, "this token is not known here",
                                 "its digest has to be in access.tokens"));
  }
  if (access->needs_certificate && !token->is_own && !request.is_certified) {
    return tl::unexpected(refuse(Why::certificate, 403,
                                 "this needs a certificate of the client besides the token",
                                 "connect with one that access.client-ca vouches for"));
  }
  return Caller(std::move(access), token);
}

HttpResponse Gate::forbid(const Caller& caller, std::string_view what) {
  return refuse(Why::role, 403, fmt::format("token {} may not {}", caller.name(), what),
                "ask for a token with another role, see access.tokens[].roles");
}

void Gate::measure(Metrics& metrics) const {
  constexpr std::array<std::string_view, 4> kWhy{"certificate", "no-token", "unknown-token",
                                                 "role"};
  for (std::size_t i = 0; i < refused_.size(); ++i) {
    metrics.counter("isochrone_http_denied_total", "HTTP requests denied by their token, by why.",
                    static_cast<double>(refused_[i].load(std::memory_order_relaxed)),
                    {{"reason", kWhy[i]}});
  }
}

}  // namespace isochrone::event
