// SPDX-License-Identifier: Apache-2.0
#include "collector/nel.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace isochrone::collector {
namespace {

using nlohmann::json;

// Network Error Logging section 6: phase connection, and these types of it.
constexpr std::array<std::string_view, 3> kLosses{"tcp.timed_out", "tcp.address_unreachable",
                                                  "tcp.failed"};
constexpr std::int64_t kMaxAgeMs = 86'400'000;

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<NetworkError> read(const json& report) {
  if (!report.is_object() || text_of(report, "type") != "network-error") return std::nullopt;
  const auto body = report.find("body");
  if (body == report.end() || !body->is_object()) return std::nullopt;
  NetworkError error;
  error.host = host_of_url(text_of(report, "url"));
  error.server = Address::parse(text_of(*body, "server_ip"));
  if (error.host.empty() && !error.server) return std::nullopt;
  const auto age = report.find("age");
  if (age != report.end() && age->is_number_unsigned()) {
    const auto ms = std::min<std::uint64_t>(age->get<std::uint64_t>(), kMaxAgeMs);
    error.age = Millis(static_cast<std::int64_t>(ms));
  }
  const std::string type = text_of(*body, "type");
  error.is_loss = text_of(*body, "phase") == "connection" &&
                  std::find(kLosses.begin(), kLosses.end(), type) != kLosses.end();
  return error;
}

}  // namespace

std::string host_of_url(std::string_view url) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (!url.starts_with(scheme)) continue;
    std::string_view host = url.substr(scheme.size());
    host = host.substr(0, host.find_first_of("/?#"));
    if (host.find('@') != std::string_view::npos) return {};
    if (host.starts_with('[')) return to_lower(host.substr(0, host.find(']') + 1));
    return to_lower(host.substr(0, host.find(':')));
  }
  return {};
}

Result<std::vector<NetworkError>> parse_network_errors(std::string_view body) {
  if (body.size() > kMaxNelBytes) return fail(Errc::limit, "the reports are larger than 64 KiB");
  const json parsed = json::parse(body, nullptr, false);
  if (!parsed.is_array()) return fail(Errc::invalid, "the body is no list of reports");
  if (parsed.size() > kMaxNelReports) return fail(Errc::limit, "there are more than 64 reports");
  std::vector<NetworkError> errors;
  for (const json& report : parsed) {
    if (auto error = read(report)) errors.push_back(std::move(*error));
  }
  return errors;
}

}  // namespace isochrone::collector
