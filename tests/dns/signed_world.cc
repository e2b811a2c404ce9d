// SPDX-License-Identifier: Apache-2.0
#include "tests/dns/signed_world.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "dns/follower.h"
#include "dns/key_store.h"
#include "dns/ldns.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

namespace isochrone::dns::testing {
namespace {

struct ListDelete {
  void operator()(ldns_rr_list* list) const { ldns_rr_list_free(list); }
};
using List = std::unique_ptr<ldns_rr_list, ListDelete>;  // borrows its records

std::string text_of(const ldns_rdf* name) {
  char* raw = ldns_rdf2str(name);
  std::string text(raw);
  std::free(raw);
  return text;
}

// The records of a section with this owner and type.
List records(const ldns_rr_list* section, const ldns_rdf* owner, ldns_rr_type type) {
  List found(ldns_rr_list_new());
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(section); ++i) {
    ldns_rr* rr = ldns_rr_list_rr(section, i);
    if (ldns_rr_get_type(rr) != type) continue;
    if (owner == nullptr || ldns_dname_compare(ldns_rr_owner(rr), owner) == 0) {
      ldns_rr_list_push_rr(found.get(), rr);
    }
  }
  return found;
}

List signatures_over(const ldns_rr_list* section, const ldns_rr* rr) {
  List found(ldns_rr_list_new());
  const List all = records(section, ldns_rr_owner(rr), LDNS_RR_TYPE_RRSIG);
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(all.get()); ++i) {
    ldns_rr* rrsig = ldns_rr_list_rr(all.get(), i);
    if (ldns_rdf2rr_type(ldns_rr_rrsig_typecovered(rrsig)) == ldns_rr_get_type(rr)) {
      ldns_rr_list_push_rr(found.get(), rrsig);
    }
  }
  return found;
}

// ldns 1.8.3 does not free the names that it hashes.
ldns_status verify_hashed_denial(ldns_rr* missing, ldns_rr_list* nsec3, ldns_rr_list* rrsigs,
                                 ldns_pkt_rcode rcode) {
#if defined(__SANITIZE_ADDRESS__)
  const __lsan::ScopedDisabler leaks_are_not_ours;
#endif
  return ldns_dnssec_verify_denial_nsec3(missing, nsec3, rrsigs, rcode, ldns_rr_get_type(missing),
                                         rcode == LDNS_RCODE_NOERROR);
}

class Validator {
 public:
  Validator(const SignedWorld& world, const Heard& heard, const std::string& name,
            const std::string& type)
      : heard_(heard) {
    ldns_pkt* raw = nullptr;
    EXPECT_EQ(ldns_wire2pkt(&raw, heard.bytes.data(), heard.bytes.size()), LDNS_STATUS_OK);
    packet_.reset(raw);
    question_.reset(ldns_rr_new());
    ldns_rr_set_owner(question_.get(), ldns_dname_new_frm_str(name.c_str()));
    ldns_rr_set_type(question_.get(), static_cast<ldns_rr_type>(type_number(type)));
    const auto keys = KeyStore(world.policy.keys).load(world.zone().origin());
    for (const SigningKey& key : *keys) {
      ldns_rr* rr = nullptr;
      const std::string text = key.public_text();
      ldns_rr_new_frm_str(&rr, text.substr(text.find('\n') + 1).c_str(), 0, nullptr, nullptr);
      ldns_rr_list_push_rr(keys_.get(), rr);
    }
    apex_.reset(ldns_dname_new_frm_str("example.com."));
  }
  ~Validator() { ldns_rr_list_deep_free(keys_.release()); }

  std::string fault() {
    for (const ldns_rr_list* section :
         {ldns_pkt_answer(packet_.get()), ldns_pkt_authority(packet_.get())}) {
      for (std::size_t i = 0; i < ldns_rr_list_rr_count(section); ++i) {
        const std::string fault = fault_of_set(section, ldns_rr_list_rr(section, i));
        if (!fault.empty()) return fault;
      }
    }
    const bool is_referral = heard_.flags.find("aa") == std::string::npos;
    if (is_referral) return fault_of_referral();
    return is_denial() ? fault_of_denial() : std::string();
  }

 private:
  std::string fault_of_set(const ldns_rr_list* section, const ldns_rr* rr) {
    const ldns_rr_type type = ldns_rr_get_type(rr);
    const ldns_rdf* owner = ldns_rr_owner(rr);
    if (type == LDNS_RR_TYPE_RRSIG || !is_ours(owner)) return {};
    const List rrsigs = signatures_over(section, rr);
    const bool is_cut = type == LDNS_RR_TYPE_NS && ldns_dname_compare(owner, apex_.get()) != 0;
    const std::size_t count = ldns_rr_list_rr_count(rrsigs.get());
    if (is_cut) return count == 0 ? "" : "NS at a cut is signed";
    const std::string what = text_of(owner) + " " + std::to_string(type);
    if (count == 0) return what + " is not signed";
    if (ldns_rr_ttl(rr) != ldns_rr_ttl(ldns_rr_list_rr(rrsigs.get(), 0))) {
      return what + ": TTL differs from that of its RRSIG";
    }
    const List set = records(section, owner, type);
    const ldns_status status =
        ldns_verify_time(set.get(), rrsigs.get(), keys_.get(),
                         static_cast<std::time_t>(unix_nanos(kNow) / 1'000'000'000), nullptr);
    return status == LDNS_STATUS_OK ? "" : what + ": " + ldns_get_errorstr_by_id(status);
  }

  bool is_ours(const ldns_rdf* owner) const {
    return ldns_dname_compare(owner, apex_.get()) == 0 ||
           ldns_dname_is_subdomain(owner, apex_.get());
  }

  // The name that the aliases lead to.
  ldns_rdf* last_name() const {
    ldns_rdf* name = ldns_rr_owner(question_.get());
    const ldns_rr_list* answer = ldns_pkt_answer(packet_.get());
    for (std::size_t i = 0; i < ldns_rr_list_rr_count(answer); ++i) {
      const ldns_rr* rr = ldns_rr_list_rr(answer, i);
      if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_CNAME) name = ldns_rr_rdf(rr, 0);
    }
    return name;
  }

  bool is_denial() const {
    return ldns_rr_list_rr_count(
               records(ldns_pkt_authority(packet_.get()), nullptr, LDNS_RR_TYPE_SOA).get()) > 0;
  }

  // RFC 4035 section 5.4: an interval that ends below a name proves that it exists and is empty. ldns
  // takes such a name for missing.
  static bool is_empty_non_terminal(const ldns_rr_list* denials, const ldns_rdf* name) {
    for (std::size_t i = 0; i < ldns_rr_list_rr_count(denials); ++i) {
      const ldns_rr* denial = ldns_rr_list_rr(denials, i);
      if (ldns_nsec_covers_name(denial, name) &&
          ldns_dname_is_subdomain(ldns_rr_rdf(denial, 0), name)) {
        return true;
      }
    }
    return false;
  }

  std::string fault_of_denial() {
    const ldns_rr_list* authority = ldns_pkt_authority(packet_.get());
    const LdnsRr missing(ldns_rr_clone(question_.get()));
    ldns_rdf_deep_free(ldns_rr_owner(missing.get()));
    ldns_rr_set_owner(missing.get(), ldns_rdf_clone(last_name()));
    const List nsec = records(authority, nullptr, LDNS_RR_TYPE_NSEC);
    const List nsec3 = records(authority, nullptr, LDNS_RR_TYPE_NSEC3);
    const List rrsigs = records(authority, nullptr, LDNS_RR_TYPE_RRSIG);
    const ldns_pkt_rcode rcode = ldns_pkt_get_rcode(packet_.get());
    if (is_empty_non_terminal(nsec.get(), ldns_rr_owner(missing.get()))) {
      return rcode == LDNS_RCODE_NOERROR ? "" : "an empty non-terminal is said to be missing";
    }
    const ldns_status status =
        ldns_rr_list_rr_count(nsec3.get()) > 0
            ? verify_hashed_denial(missing.get(), nsec3.get(), rrsigs.get(), rcode)
            : ldns_dnssec_verify_denial(missing.get(), nsec.get(), rrsigs.get());
    return status == LDNS_STATUS_OK ? ""
                                    : std::string("denial: ") + ldns_get_errorstr_by_id(status);
  }

  std::string fault_of_referral() {
    const ldns_rr_list* authority = ldns_pkt_authority(packet_.get());
    const List servers = records(authority, nullptr, LDNS_RR_TYPE_NS);
    if (ldns_rr_list_rr_count(servers.get()) == 0) return "a referral without NS";
    const ldns_rdf* cut = ldns_rr_owner(ldns_rr_list_rr(servers.get(), 0));
    if (ldns_rr_list_rr_count(records(authority, cut, LDNS_RR_TYPE_DS).get()) > 0) return {};
    for (const ldns_rr_type type : {LDNS_RR_TYPE_NSEC, LDNS_RR_TYPE_NSEC3}) {
      const List denials = records(authority, nullptr, type);
      for (std::size_t i = 0; i < ldns_rr_list_rr_count(denials.get()); ++i) {
        const ldns_rr* denial = ldns_rr_list_rr(denials.get(), i);
        const ldns_rdf* bitmap = ldns_nsec_get_bitmap(denial);
        if (is_at(denial, cut) && ldns_nsec_bitmap_covers_type(bitmap, LDNS_RR_TYPE_NS) &&
            !ldns_nsec_bitmap_covers_type(bitmap, LDNS_RR_TYPE_DS) &&
            !ldns_nsec_bitmap_covers_type(bitmap, LDNS_RR_TYPE_SOA)) {
          return {};
        }
      }
    }
    return "neither DS nor its denial";
  }

  static bool is_at(const ldns_rr* denial, const ldns_rdf* name) {
    if (ldns_rr_get_type(denial) == LDNS_RR_TYPE_NSEC) {
      return ldns_dname_compare(ldns_rr_owner(denial), name) == 0;
    }
    const LdnsRdf hash(ldns_nsec3_hash_name_frm_nsec3(denial, name));
    const LdnsRdf label(ldns_dname_label(ldns_rr_owner(denial), 0));
    return text_of(hash.get()) == text_of(label.get());
  }

  const Heard& heard_;
  LdnsPacket packet_;
  LdnsRr question_;
  List keys_{ldns_rr_list_new()};
  LdnsRdf apex_;
};

}  // namespace

const KeyFiles kEcdsaKey{
    "example.com.\tIN\tDNSKEY\t257 3 13 "
    "nVhpml286UJkZ52iNE3kUbj8EJDINkwM77h/cJ8QyzoFIpDuNPqxi9dZkO+pgxD2Otdl5l55Zuj/smDA96vteQ=="
    " ;{id = 28416 (ksk), size = 256b}\n",
    "Private-key-format: v1.2\nAlgorithm: 13 (ECDSAP256SHA256)\n"
    "PrivateKey: JcdeaBOo3DEjjsMJQVVH68j5JHrcuO2ZJbtA1+3ktMo=\n"};
const KeyFiles kEd25519Key{
    "example.com.\tIN\tDNSKEY\t257 3 15 WMFFAjN3NknkmYWzzkpVKTevZLdMXIO5QX+u/gOpMN4= "
    ";{id = 10967 (ksk), size = 256b}\n",
    "Private-key-format: v1.2\nAlgorithm: 15 (ED25519)\n"
    "PrivateKey: QX9kE1t7UcKzhsisEYAZhD4h/oKPdCabUoEpodjUW9c=\n"};

SignedWorld::SignedWorld(Denial denial, const KeyFiles& key, std::string zone,
                         routing::Topology topology) {
  policy.denial = denial;
  policy.keys = folder.path() / "keys";
  const auto origin = name_from_text("example.com");
  const auto parsed = SigningKey::parse(*origin, key.public_text, key.private_text);
  EXPECT_TRUE(parsed.has_value());
  EXPECT_TRUE(KeyStore(policy.keys).save(*parsed).has_value());
  snapshot = snapshot_of(
      static_map(), {{"example.com", std::move(zone)}, {"example.net", other_zone()}}, topology);
  auto made = sign_again(kNow);
  for (const Error& error : made.errors) ADD_FAILURE() << error.text();
  warnings = made.warnings;
  snapshot.signatures = made.zones;
}

SignedZones::Made SignedWorld::sign_again(Instant now) const {
  return SignedZones::sign(snapshot.zones, {{"example.com", policy}}, now,
                           snapshot.signatures.get());
}

const Signatures& SignedWorld::signatures() const { return *snapshot.signatures->of(&zone()); }

Heard ask_online(const SignedWorld& world, Question question) {
  question.wants_dnssec = true;
  std::vector<std::uint8_t> out(4'096);
  const auto query = wire(question);
  Request request{query, question.sender, question.transport, 0};
  request.may_leave_unsigned = true;
  const Reply reply = answer(world.snapshot, request, out);
  if (reply.unsigned_denial) {
    EXPECT_TRUE(reply.unsigned_denial->key->sign(*reply.unsigned_denial,
                                                 MutableBytes(out).first(reply.size)));
  }
  Heard heard = hear(Bytes(out).first(reply.size));
  heard.reply = reply;
  return heard;
}

Heard ask_signed(const SignedWorld& world, const std::string& name, const std::string& type) {
  return ask(world.snapshot, {.name = name, .type = type, .wants_dnssec = true});
}

std::string fault_of(const SignedWorld& world, const Heard& heard, const std::string& name,
                     const std::string& type) {
  return Validator(world, heard, name, type).fault();
}

}  // namespace isochrone::dns::testing
