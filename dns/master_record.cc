// SPDX-License-Identifier: Apache-2.0
#include "dns/master_record.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "base/text.h"
#include "dns/ldns.h"
#include "dns/master_entry.h"
#include "dns/wire.h"

namespace isochrone::dns {
namespace {

constexpr std::uint32_t kDefaultTtl = 3'600;  // before any TTL was stated; nsd assumes the same
constexpr std::uint16_t kTxt = 16, kSrv = 33;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// One octet of text at `at`, which moves past it; false when an escape is broken (RFC 1035 5.1).
bool read_octet(std::string_view text, std::size_t& at, std::uint8_t& octet) {
  const char c = text[at++];
  octet = static_cast<std::uint8_t>(c);
  if (c != '\\') return true;
  if (at >= text.size()) return false;
  octet = static_cast<std::uint8_t>(text[at]);
  if (!is_digit(text[at])) {
    ++at;
    return true;
  }
  if (at + 3 > text.size() || !is_digit(text[at + 1]) || !is_digit(text[at + 2])) return false;
  const int value = (text[at] - '0') * 100 + (text[at + 1] - '0') * 10 + (text[at + 2] - '0');
  octet = static_cast<std::uint8_t>(value);
  at += 3;
  return value <= 255;
}

// A name being read: on the stack, for there are millions.
class WireName {
 public:
  bool read(std::string_view text, Bytes origin) {
    size_ = 0;
    if (text == "@") return append(origin);
    if (text == ".") return put(0);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t length_at = size_;
      if (!put(0)) return false;
      for (std::uint8_t octet = 0; at < text.size() && text[at] != '.';) {
        if (!read_octet(text, at, octet) || !put(octet)) return false;
      }
      const std::size_t length = size_ - length_at - 1;
      if (length == 0 || length > kMaxLabelOctets) return false;
      octets_[length_at] = static_cast<std::uint8_t>(length);
      if (at == text.size()) return append(origin);
      if (++at == text.size()) return put(0);
    }
    return false;
  }
  Bytes bytes() const { return Bytes(octets_).first(size_); }

 private:
  bool put(std::uint8_t octet) {
    if (size_ == octets_.size()) return false;
    octets_[size_++] = octet;
    return true;
  }
  bool append(Bytes tail) {
    if (tail.empty() || tail.size() > octets_.size() - size_) return false;
    std::copy(tail.begin(), tail.end(), octets_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += tail.size();
    return true;
  }
  std::array<std::uint8_t, kMaxNameOctets> octets_;
  std::size_t size_ = 0;
};

// The data of common types, appended field by field.
class CommonData {
 public:
  CommonData(std::string_view text, Bytes origin, std::vector<std::uint8_t>& out)
      : tokens_(text), origin_(origin), out_(out) {}

  bool read(std::uint16_t record_type) {
    switch (record_type) {
      case type::a:
        return address(AF_INET, 4) && tokens_.is_empty();
      case type::aaaa:
        return address(AF_INET6, 16) && tokens_.is_empty();
      case type::ns:
      case type::cname:
      case type::ptr:
        return name() && tokens_.is_empty();
      case type::mx:
        return u16() && name() && tokens_.is_empty();
      case kSrv:
        return u16() && u16() && u16() && name() && tokens_.is_empty();
      case type::soa:
        return name() && name() && u32() && period() && period() && period() && period() &&
               tokens_.is_empty();
      case kTxt:
        return strings();
      default:
        return false;
    }
  }

 private:
  // False for a quoted field: only strings are quoted, everything else is left to ldns to judge.
  bool plain(std::string_view& text) {
    const auto token = tokens_.next();
    text = token.text;
    return !token.is_quoted && !text.empty();
  }
  bool address(int family, std::size_t octets) {
    std::string_view text;
    if (!plain(text) || text.size() >= INET6_ADDRSTRLEN) return false;
    std::array<char, INET6_ADDRSTRLEN> zero_ended{};
    std::copy(text.begin(), text.end(), zero_ended.begin());
    std::array<std::uint8_t, 16> bytes{};
    if (inet_pton(family, zero_ended.data(), bytes.data()) != 1) return false;
    out_.insert(out_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(octets));
    return true;
  }
  bool name() {
    std::string_view text;
    WireName wire;
    if (!plain(text) || !wire.read(text, origin_)) return false;
    out_.insert(out_.end(), wire.bytes().begin(), wire.bytes().end());
    return true;
  }
  void put(std::uint32_t value, int octets) {
    for (int i = octets; i-- > 0;) out_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }
  bool u16() {
    std::string_view text;
    const auto value = plain(text) ? parse_number<std::uint16_t>(text) : std::nullopt;
    if (value) put(*value, 2);
    return value.has_value();
  }
  bool u32() {
    std::string_view text;
    const auto value = plain(text) ? parse_number<std::uint32_t>(text) : std::nullopt;
    if (value) put(*value, 4);
    return value.has_value();
  }
  bool period() {
    std::string_view text;
    const auto value = plain(text) ? master_ttl(text) : std::nullopt;
    if (value) put(*value, 4);
    return value.has_value();
  }
  bool strings() {
    if (tokens_.is_empty()) return false;
    while (!tokens_.is_empty()) {
      const auto token = tokens_.next();
      // "\#" begins the generic form of RFC 3597.
      if (!token.is_quoted && token.text == "\\#") return false;
      const std::size_t length_at = out_.size();
      out_.push_back(0);
      std::uint8_t octet = 0;
      for (std::size_t at = 0; at < token.text.size();) {
        if (!read_octet(token.text, at, octet)) return false;
        out_.push_back(octet);
      }
      const std::size_t length = out_.size() - length_at - 1;
      if (length > 255) return false;
      out_[length_at] = static_cast<std::uint8_t>(length);
    }
    return true;
  }

  MasterTokens tokens_;
  Bytes origin_;
  std::vector<std::uint8_t>& out_;
};

std::optional<std::uint16_t> class_of(std::string_view text) {
  const std::string lower = to_lower(text);
  if (lower == "in") return kClassIn;
  if (lower == "ch") return std::uint16_t{3};
  if (lower == "hs") return std::uint16_t{4};
  if (lower.starts_with("class")) return parse_number<std::uint16_t>(lower.substr(5));
  return std::nullopt;
}

// 0 when unknown.
std::uint16_t type_of(std::string_view text) {
  constexpr std::pair<std::string_view, std::uint16_t> kCommon[] = {
      {"A", type::a},   {"AAAA", type::aaaa}, {"CNAME", type::cname}, {"NS", type::ns},
      {"MX", type::mx}, {"TXT", kTxt},        {"PTR", type::ptr}};
  for (const auto& [name, number] : kCommon) {
    if (text == name) return number;
  }
  return static_cast<std::uint16_t>(ldns_get_rr_type_by_name(std::string(text).c_str()));
}

// What stands before the data; TTL and class come in either order.
struct Head {
  std::optional<std::uint32_t> ttl;
  std::uint16_t klass = kClassIn;
  std::string_view type;
};

Head read_head(MasterTokens& tokens) {
  Head head;
  bool has_class = false;
  for (;;) {
    const auto token = tokens.next();
    if (token.is_quoted) return head;
    if (!head.ttl && !token.text.empty() && is_digit(token.text.front())) {
      head.ttl = master_ttl(token.text);
      if (head.ttl) continue;
    } else if (const auto klass = has_class ? std::nullopt : class_of(token.text)) {
      head.klass = *klass;
      has_class = true;
      continue;
    }
    head.type = token.text;
    return head;
  }
}

}  // namespace

std::optional<std::vector<std::uint8_t>> master_name(std::string_view text, Bytes origin) {
  WireName name;
  if (!name.read(text, origin)) return std::nullopt;
  return std::vector<std::uint8_t>(name.bytes().begin(), name.bytes().end());
}

std::optional<std::uint32_t> master_ttl(std::string_view text) {
  std::uint64_t total = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  if (at == end) return std::nullopt;
  while (at != end) {
    std::uint32_t number = 0;
    const auto [after, error] = std::from_chars(at, end, number);
    if (error != std::errc{}) return std::nullopt;
    at = after;
    std::uint64_t unit = 1;
    if (at != end) {
      constexpr std::string_view kUnits = "smhdw";
      constexpr std::array<std::uint64_t, 5> kSeconds{1, 60, 3'600, 86'400, 604'800};
      const auto found = kUnits.find(to_lower(*at++));
      if (found == std::string_view::npos) return std::nullopt;
      unit = kSeconds[found];
    }
    total += number * unit;
    if (total > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  }
  return static_cast<std::uint32_t>(total);
}

bool read_common_data(std::uint16_t type, std::string_view text, Bytes origin,
                      std::vector<std::uint8_t>& out) {
  const std::size_t start = out.size();
  if (CommonData(text, origin, out).read(type)) return true;
  out.resize(start);
  return false;
}

std::string read_any_data(std::string_view type, std::string_view text, Bytes origin,
                          std::vector<std::uint8_t>& out) {
  const LdnsRdf base(ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, origin.size(), origin.data()));
  ldns_rr* raw = nullptr;
  const ldns_status status = ldns_rr_new_frm_str(
      &raw, fmt::format(". 0 IN {} {}", type, text).c_str(), 0, base.get(), nullptr);
  if (status != LDNS_STATUS_OK) {
    const char* what = ldns_get_errorstr_by_id(status);
    return what == nullptr ? "syntax error" : what;
  }
  const LdnsRr record(raw);
  const LdnsBuffer buffer(ldns_buffer_new(kMaxMessage + 1));
  for (std::size_t i = 0; i < ldns_rr_rd_count(raw); ++i) {
    // ldns puts name and origin together without counting (RFC 1035 section 2.3.4).
    const ldns_rdf* field = ldns_rr_rdf(raw, i);
    if (ldns_rdf_get_type(field) == LDNS_RDF_TYPE_DNAME && ldns_rdf_size(field) > kMaxNameOctets) {
      return "a name is longer than 255 octets";
    }
    if (ldns_rdf2buffer_wire(buffer.get(), ldns_rr_rdf(raw, i)) != LDNS_STATUS_OK) {
      return "record data is longer than 65535 octets or broken";
    }
  }
  const std::uint8_t* data = ldns_buffer_begin(buffer.get());
  out.insert(out.end(), data, data + ldns_buffer_position(buffer.get()));
  return {};
}

void add_master_record(std::string_view entry, std::uint32_t line, MasterContext& context,
                       ZoneRecords& zone) {
  MasterTokens tokens(entry);
  WireName owner;
  Bytes owner_name = context.previous_owner;
  if (entry.front() != ' ' && entry.front() != '\t') {
    const auto token = tokens.next();
    if (token.is_quoted || !owner.read(token.text, context.origin)) {
      return zone.error(line, fmt::format("'{}' is not a domain name: labels have 1 to 63 octets, "
                                          "names at most 255",
                                          token.text.substr(0, kMaxNameOctets)));
    }
    owner_name = owner.bytes();
    context.previous_owner.assign(owner_name.begin(), owner_name.end());
  } else if (owner_name.empty()) {
    return zone.error(line, "a record without a name, and none before it; name it");
  }
  const Head head = read_head(tokens);
  const std::uint16_t record_type = head.type.empty() ? std::uint16_t{0} : type_of(head.type);
  if (head.klass != kClassIn) return zone.error(line, "class other than IN; only IN is served");
  if (record_type == 0) {
    return zone.error(line, fmt::format("'{}' is not a record type; one that is not known is "
                                        "written TYPEnumber (RFC 3597)",
                                        head.type.substr(0, kMaxLabelOctets)));
  }
  if (head.ttl) context.last_ttl = head.ttl;
  const std::uint32_t ttl = head.ttl              ? *head.ttl
                            : context.default_ttl ? *context.default_ttl
                                                  : context.last_ttl.value_or(kDefaultTtl);
  const std::size_t rdata = zone.bytes.size();
  if (!read_common_data(record_type, tokens.rest(), context.origin, zone.bytes)) {
    const std::string fault = read_any_data(head.type, tokens.rest(), context.origin, zone.bytes);
    if (!fault.empty()) return zone.error(line, fault);
  }
  zone.add(owner_name, record_type, ttl, rdata, line);
}

}  // namespace isochrone::dns
