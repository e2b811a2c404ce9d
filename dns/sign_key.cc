// SPDX-License-Identifier: Apache-2.0
#include "dns/sign_key.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <tuple>

#include "base/text.h"
#include "dns/ldns.h"
#include "dns/name.h"

namespace isochrone::dns {
namespace {

constexpr std::uint16_t kKeySigningFlags = 257;  // zone key with SEP

struct FileClose {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileClose>;

struct TimeField {
  std::string_view name;
  std::optional<Instant> KeyTimes::*member;
};
constexpr TimeField kTimeFields[] = {{"Created", &KeyTimes::created},
                                     {"Publish", &KeyTimes::publish},
                                     {"Activate", &KeyTimes::activate},
                                     {"Inactive", &KeyTimes::inactive},
                                     {"Delete", &KeyTimes::remove}};

std::string format_time(Instant time) {
  return fmt::format("{:%Y%m%d%H%M%S}",
                     fmt::gmtime(static_cast<std::time_t>(unix_nanos(time) / 1'000'000'000)));
}

std::optional<Instant> parse_time(std::string_view text) {
  if (text.size() != 14) return std::nullopt;
  const auto field = [&](std::size_t at, std::size_t digits) {
    return parse_number<int>(text.substr(at, digits)).value_or(-1);
  };
  std::tm tm{};
  tm.tm_year = field(0, 4) - 1900;
  tm.tm_mon = field(4, 2) - 1;
  tm.tm_mday = field(6, 2);
  tm.tm_hour = field(8, 2);
  tm.tm_min = field(10, 2);
  tm.tm_sec = field(12, 2);
  if (tm.tm_year < 70 || tm.tm_mon < 0 || tm.tm_mday < 1 || tm.tm_hour < 0 || tm.tm_min < 0 ||
      tm.tm_sec < 0) {
    return std::nullopt;
  }
  return from_unix_nanos(std::int64_t{timegm(&tm)} * 1'000'000'000);
}

Result<KeyTimes> parse_times(std::string_view text) {
  KeyTimes times;
  for (const std::string_view line : split(text, '\n')) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    for (const TimeField& field : kTimeFields) {
      if (field.name != line.substr(0, colon)) continue;
      const auto time = parse_time(trim(line.substr(colon + 1)));
      if (!time) {
        return fail(Errc::invalid, fmt::format("\"{}\" is not a time; write {}: YYYYMMDDHHMMSS",
                                               line, field.name));
      }
      times.*field.member = time;
    }
  }
  return times;
}

std::vector<std::uint8_t> data_of(const ldns_rr* rr) {
  std::vector<std::uint8_t> data;
  for (std::size_t i = 0; i < ldns_rr_rd_count(rr); ++i) {
    const ldns_rdf* rdf = ldns_rr_rdf(rr, i);
    data.insert(data.end(), ldns_rdf_data(rdf), ldns_rdf_data(rdf) + ldns_rdf_size(rdf));
  }
  return data;
}

// The DNSKEY record in a .key file, whose other lines are comments.
Result<LdnsRr> parse_public(Bytes zone, std::string_view text) {
  for (const std::string_view line : split(text, '\n')) {
    if (trim(line).empty() || line.front() == ';') continue;
    ldns_rr* raw = nullptr;
    if (ldns_rr_new_frm_str(&raw, std::string(line).c_str(), 0, nullptr, nullptr) !=
        LDNS_STATUS_OK) {
      break;
    }
    LdnsRr rr(raw);
    if (ldns_rr_get_type(raw) != LDNS_RR_TYPE_DNSKEY) break;
    Name owner;
    const ldns_rdf* name = ldns_rr_owner(raw);
    owner.assign(Bytes(ldns_rdf_data(name), ldns_rdf_size(name)));
    if (!std::equal(zone.begin(), zone.end(), owner.wire().begin(), owner.wire().end())) {
      return fail(Errc::invalid, fmt::format("the DNSKEY is that of {}, not of {}",
                                             name_to_text(owner.wire()), name_to_text(zone)));
    }
    return rr;
  }
  return fail(Errc::invalid, "no DNSKEY record; restore the .key file");
}

LdnsRdf zone_rdf(Bytes zone) {
  return LdnsRdf(ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, zone.size(), zone.data()));
}

}  // namespace

struct SigningKey::Material {
  explicit Material(ldns_key* given) : key(given) {}
  Material(const Material&) = delete;
  Material& operator=(const Material&) = delete;
  ~Material() { ldns_key_deep_free(key); }
  ldns_key* key;
};

std::string_view to_string(KeyAlgorithm algorithm) {
  return algorithm == KeyAlgorithm::ed25519 ? "ed25519" : "ecdsap256sha256";
}

std::optional<KeyAlgorithm> parse_algorithm(std::string_view name) {
  for (const KeyAlgorithm one : {KeyAlgorithm::ecdsap256sha256, KeyAlgorithm::ed25519}) {
    if (name == to_string(one)) return one;
  }
  return std::nullopt;
}

std::string_view to_string(KeyState state) {
  constexpr std::string_view kNames[] = {"planned", "published", "active", "retired", "removed"};
  return kNames[static_cast<std::size_t>(state)];
}

KeyState KeyTimes::state(Instant now) const {
  const auto has_come = [now](const std::optional<Instant>& time) { return time && *time <= now; };
  const bool is_unscheduled = !publish && !activate && !inactive && !remove;
  if (has_come(remove)) return KeyState::removed;
  if (has_come(inactive)) return KeyState::retired;
  if (has_come(activate) || is_unscheduled) return KeyState::active;
  return has_come(publish) ? KeyState::published : KeyState::planned;
}

std::optional<Instant> KeyTimes::next_change(Instant now) const {
  std::optional<Instant> next;
  for (const auto& time : {publish, activate, inactive, remove}) {
    if (time && *time > now && (!next || *time < *next)) next = time;
  }
  return next;
}

Result<SigningKey> SigningKey::generate(Bytes zone, KeyAlgorithm algorithm, KeyTimes times) {
  ldns_key* raw = ldns_key_new_frm_algorithm(static_cast<ldns_signing_algorithm>(algorithm), 256);
  if (raw == nullptr) {
    return fail(Errc::unavailable, fmt::format("cannot make a key with {}: the cryptographic "
                                               "library refuses",
                                               to_string(algorithm)));
  }
  SigningKey key;
  key.material_ = std::make_shared<const Material>(raw);
  ldns_key_set_pubkey_owner(raw, zone_rdf(zone).release());
  ldns_key_set_flags(raw, kKeySigningFlags);
  const LdnsRr rr(ldns_key2rr(raw));
  key.zone_.assign(zone.begin(), zone.end());
  key.algorithm_ = algorithm;
  key.dnskey_ = data_of(rr.get());
  key.tag_ = ldns_calc_keytag_raw(key.dnskey_.data(), key.dnskey_.size());
  key.times_ = times;
  return key;
}

Result<SigningKey> SigningKey::parse(Bytes zone, std::string_view public_text,
                                     std::string_view private_text) {
  auto rr = parse_public(zone, public_text);
  if (!rr) return tl::unexpected(rr.error());
  auto times = parse_times(private_text);
  if (!times) return tl::unexpected(times.error());
  SigningKey key;
  key.zone_.assign(zone.begin(), zone.end());
  key.times_ = *times;
  key.dnskey_ = data_of(rr->get());
  const unsigned number = key.dnskey_.size() < 4 ? 0U : key.dnskey_[3];
  if (number != 13 && number != 15) {
    return fail(Errc::invalid,
                fmt::format("algorithm {} is not supported; use ecdsap256sha256 (13) "
                            "or ed25519 (15)",
                            number));
  }
  key.algorithm_ = static_cast<KeyAlgorithm>(number);
  key.tag_ = ldns_calc_keytag_raw(key.dnskey_.data(), key.dnskey_.size());
  std::string text(private_text);
  const File file(fmemopen(text.data(), std::max<std::size_t>(text.size(), 1), "r"));
  ldns_key* raw = nullptr;
  if (!file || ldns_key_new_frm_fp(&raw, file.get()) != LDNS_STATUS_OK) {
    return fail(Errc::invalid, "not a private key in the format of BIND's tools; restore the file");
  }
  key.material_ = std::make_shared<const Material>(raw);
  ldns_key_set_pubkey_owner(raw, zone_rdf(zone).release());
  ldns_key_set_flags(raw, key.flags());
  const LdnsRr own(ldns_key2rr(raw));
  if (!own || data_of(own.get()) != key.dnskey_) {
    return fail(Errc::invalid,
                "the private key does not belong to the DNSKEY in the .key file; restore both");
  }
  return key;
}

std::uint16_t SigningKey::flags() const {
  return static_cast<std::uint16_t>(dnskey_[0] << 8 | dnskey_[1]);
}

std::vector<std::uint8_t> SigningKey::ds() const {
  std::vector<std::uint8_t> digested = zone_;
  digested.insert(digested.end(), dnskey_.begin(), dnskey_.end());
  std::vector<std::uint8_t> ds{static_cast<std::uint8_t>(tag_ >> 8),
                               static_cast<std::uint8_t>(tag_),
                               static_cast<std::uint8_t>(algorithm_), 2};  // 2: SHA-256
  ds.resize(4 + LDNS_SHA256_DIGEST_LENGTH);
  ldns_sha256(digested.data(), static_cast<unsigned>(digested.size()), ds.data() + 4);
  return ds;
}

std::string SigningKey::file_name() const {
  const std::string name = name_to_text(zone_);
  return fmt::format("K{}{}+{:03}+{:05}", name, name == "." ? "" : ".",
                     static_cast<unsigned>(algorithm_), tag_);
}

std::string SigningKey::public_text() const {
  const LdnsRr rr(ldns_key2rr(material_->key));
  ldns_rr_set_ttl(rr.get(), 3'600);
  char* raw = ldns_rr2str(rr.get());
  std::string text(raw);
  std::free(raw);
  // ldns' own remark names a tag computed with the flags of its choice; the file name has it.
  text = std::string(trim(std::string_view(text).substr(0, text.find(';')))) + "\n";
  return fmt::format("; DNSKEY of {}, tag {}, algorithm {}\n{}", name_to_text(zone_), tag_,
                     to_string(algorithm_), text);
}

std::string SigningKey::private_text() const {
  char* raw = nullptr;
  std::size_t size = 0;
  {
    const File file(open_memstream(&raw, &size));
    ldns_key_print(file.get(), material_->key);
  }
  std::string text(raw, size);
  std::free(raw);
  // Times came with version 1.3 of the format.
  if (const auto at = text.find("v1.2"); at != std::string::npos) text.replace(at, 4, "v1.3");
  for (const TimeField& field : kTimeFields) {
    if (const auto& time = times_.*field.member) {
      text += fmt::format("{}: {}\n", field.name, format_time(*time));
    }
  }
  return text;
}

SigningKey SigningKey::with_times(KeyTimes times) const {
  SigningKey key = *this;
  key.times_ = times;
  return key;
}

bool SigningKey::sign(Bytes data, SignatureBytes& signature) const {
  const LdnsBuffer buffer(ldns_buffer_new(data.size()));
  if (!buffer) return false;
  ldns_buffer_write(buffer.get(), data.data(), data.size());
  const LdnsRdf rdf(ldns_sign_public_buffer(buffer.get(), material_->key));
  if (!rdf || ldns_rdf_size(rdf.get()) != signature.size()) return false;
  std::copy_n(ldns_rdf_data(rdf.get()), signature.size(), signature.begin());
  return true;
}

}  // namespace isochrone::dns
