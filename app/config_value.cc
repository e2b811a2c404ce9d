// SPDX-License-Identifier: Apache-2.0
//
// Scalars: the text of one value as its key's type, or what is wrong with it and what to write.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "app/config_schema.h"
#include "base/text.h"
#include "collector/filter.h"

namespace isochrone::app {
namespace {

using Parsed = Result<ConfigValue>;

auto wrong(std::string_view text, std::string_view what_and_what_to_do) {
  return fail(Errc::invalid, fmt::format("\"{}\" {}", text, what_and_what_to_do));
}

// "1..256" as two texts; a range without ".." is a list of words and not asked for here.
std::pair<std::string_view, std::string_view> bounds(const Key& key) {
  const auto dots = key.range.find("..");
  if (dots == std::string_view::npos) return {};
  return {key.range.substr(0, dots), key.range.substr(dots + 2)};
}

template <class T, class Parse>
Parsed in_range(const Key& key, std::string_view text, std::optional<T> value, Parse parse,
                std::string_view form) {
  if (!value) return wrong(text, form);
  const auto [low, high] = bounds(key);
  const std::optional<T> least = parse(low);
  const std::optional<T> most = parse(high);
  // Written so that a NaN is outside.
  if (least && most && !(*value >= *least && *value <= *most)) {
    return fail(Errc::limit, fmt::format("{} is outside {}{}{}; choose a value inside", text,
                                         key.range, key.unit.empty() ? "" : " ", key.unit));
  }
  return ConfigValue(*value);
}

// 80: a probe's payload has room for it in the smallest packet every link carries.
bool is_printable(std::string_view text) {
  return text.size() <= 80 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

bool is_name(std::string_view text) {
  // Names stand in metric labels, event sources and file names.
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= 63 && text.front() != '-' && text.front() != '.' &&
         std::all_of(text.begin(), text.end(), is_allowed);
}

// RFC 1035 section 2.3.4: labels of 1 to 63 octets, 253 in text form.
bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  const auto labels = split(text, '.');
  return std::all_of(labels.begin(), labels.end(), [&](std::string_view label) {
    return !label.empty() && label.size() <= 63 &&
           std::all_of(label.begin(), label.end(), is_allowed);
  });
}

Parsed parse_host_name(std::string_view text) {
  std::string name = to_lower(text);
  if (name.ends_with('.')) name.pop_back();
  if (!is_host_name(name)) {
    return wrong(text,
                 "is not a host name; write labels of letters, digits, - and _ with dots "
                 "between, like www.example.com");
  }
  return ConfigValue(std::move(name));
}

// A prefix with bits past its length is refused with what was probably meant.
Parsed parse_prefix(std::string_view text) {
  if (const auto prefix = Prefix::parse(text)) return ConfigValue(*prefix);
  const auto slash = text.find('/');
  const auto address = Address::parse(text.substr(0, slash));
  const auto length = slash == std::string_view::npos
                          ? std::nullopt
                          : parse_number<unsigned>(text.substr(slash + 1));
  if (address && length && *length <= static_cast<unsigned>(address->width())) {
    const Prefix meant(*address, static_cast<int>(*length));
    return wrong(
        text, fmt::format("has bits set past its length; did you mean \"{}\"?", meant.to_string()));
  }
  return wrong(text, "is not a prefix; write ADDRESS/LENGTH like 192.0.2.0/24 or 2001:db8::/48");
}

Parsed parse_url(std::string_view text) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!text.starts_with(scheme)) continue;
    std::string_view host = text.substr(scheme.size());
    if (host.ends_with('/')) host.remove_suffix(1);
    if (host.empty() || host.find_first_of("/ ?#@\"\t\n") != std::string_view::npos) break;
    return ConfigValue(std::string(scheme) + std::string(host));
  }
  return wrong(text,
               "is not the address of a collector; write http://HOST:PORT, like "
               "http://127.0.0.1:8053");
}

Parsed parse_word(const Key& key, std::string_view text) {
  const auto words = split(key.range, '|');
  if (std::find(words.begin(), words.end(), text) != words.end()) {
    return ConfigValue(std::string(text));
  }
  const std::string_view nearest = nearest_name(text, words);
  const std::string hint =
      nearest.empty() ? std::string() : fmt::format(" (did you mean \"{}\"?)", nearest);
  return wrong(text,
               fmt::format("is none of {}; write one of them{}", fmt::join(words, ", "), hint));
}

Parsed parse_endpoint(const Key& key, std::string_view text) {
  std::optional<std::uint16_t> port;
  if (key.path == "dns.listen" || key.path.ends_with("[].address")) port = 53;
  if (key.path == "dns.tls.listen") port = 853;
  if (key.path == "dns.dnstap.tcp") port = 6000;
  if (key.path == "collector.listen" || key.path == "node.http") port = 8053;
  if (const auto endpoint = Endpoint::parse(text, port)) return ConfigValue(*endpoint);
  return wrong(text, "is not ADDRESS@PORT; write it like 127.0.0.1@5353 or \"::1@5353\"");
}

Parsed parse_path(std::string_view text) {
  if (text.empty()) return wrong(text, "names no file; write a path");
  return ConfigValue(std::string(text));
}

}  // namespace

Result<ConfigValue> parse_value(const Key& key, std::string_view text) {
  switch (key.type) {
    case KeyType::section:
      return wrong(text, "is not a section; write keys below it, indented");
    case KeyType::text:
      if (is_printable(text)) return ConfigValue(std::string(text));
      return wrong(text, "is not plain text; write at most 80 printable ASCII characters");
    case KeyType::filter:
      if (const auto parsed = collector::Filter::parse(text); !parsed) {
        return fail(Errc::invalid, parsed.error().text());
      }
      return ConfigValue(std::string(text));
    case KeyType::name:
      if (is_name(text)) return ConfigValue(std::string(text));
      return wrong(text,
                   "is not a name; use up to 63 of a-z, 0-9, - _ . and start with a letter or "
                   "digit");
    case KeyType::host_name:
      return parse_host_name(text);
    case KeyType::file:
    case KeyType::directory:
      return parse_path(text);
    case KeyType::address:
      if (const auto address = Address::parse(text)) return ConfigValue(*address);
      return wrong(text, "is not an address; write one like 192.0.2.1 or \"2001:db8::1\"");
    case KeyType::endpoint:
      return parse_endpoint(key, text);
    case KeyType::prefix:
      return parse_prefix(text);
    case KeyType::url:
      return parse_url(text);
    case KeyType::duration:
      return in_range(key, text, parse_duration(text), parse_duration,
                      "is not a duration; write a whole number and a unit, like 250ms, 30s or 15m");
    case KeyType::integer:
      return in_range(key, text, parse_number<std::int64_t>(text), parse_number<std::int64_t>,
                      "is not a whole number; write digits only, like 30");
    case KeyType::number:
      return in_range(key, text, parse_number<double>(text), parse_number<double>,
                      "is not a number; write it like 0.5");
    case KeyType::boolean:
      if (text == "true" || text == "false") return ConfigValue(text == "true");
      return wrong(text, "is neither true nor false; write one of them");
    case KeyType::word:
      return parse_word(key, text);
  }
  return wrong(text, "is not a value");
}

}  // namespace isochrone::app
