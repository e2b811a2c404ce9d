// SPDX-License-Identifier: Apache-2.0
#include "dns/answer_question.h"

#include <algorithm>
#include <array>
#include <span>

#include "dns/prover.h"
#include "dns/routed_client.h"

namespace isochrone::dns {
namespace {

// One answer in the making. A name is looked up, and when it is an alias, its target is the next name.
class Answerer {
 public:
  Answerer(const Snapshot& snapshot, const Query& query, const Request& request, Response& response,
           Reply& reply) noexcept
      : snapshot_(snapshot), query_(query), request_(request), response_(response), reply_(reply) {}

  void run() noexcept {
    follow();
    prove_expansions();
  }

 private:
  void follow() noexcept {
    for (std::size_t aliases = 0; aliases <= kMaxAliases; ++aliases) {
      zone_ = snapshot_.zones->find(*name_, query_.type);
      if (zone_ == nullptr) {
        // The first name is not ours; a later one is another server's to answer.
        if (aliases == 0) response_.refuse(ExtendedError::not_authoritative);
        return;
      }
      if (!zone_->is_available()) return response_.set_rcode(Rcode::servfail);
      signatures_ = snapshot_.signatures ? snapshot_.signatures->of(zone_) : nullptr;
      match_ = zone_->find(*name_, query_.type);
      if (match_.kind == Zone::Kind::referral) return refer(match_);
      if (aliases == 0) response_.set_authoritative();
      if (match_.kind == Zone::Kind::nxdomain) return deny(Rcode::nxdomain);
      if (match_.kind == Zone::Kind::redirection) {
        if (aliases == kMaxAliases || !follow_redirection()) return;
      } else if (!follow_alias(*match_.node, aliases))
        return;
    }
  }

  std::size_t apex() const noexcept {
    return response_.place_of_suffix(owner_, name_->labels() - zone_->origin_labels());
  }

  bool wants_proof() const noexcept {
    return signatures_ != nullptr && query_.edns && query_.edns->dnssec_ok;
  }

  // Adds data that the answer cannot do without (RFC 2181 section 9), signatures included (RFC 4035
  // section 3.1.1).
  bool require(Response::Section section, const Rrset& set, std::size_t owner,
               std::optional<std::uint32_t> ttl = std::nullopt) noexcept {
    if (response_.add(section, set, owner, apex(), ttl)) return true;
    response_.set_truncated();
    return false;
  }

  bool require_signed(Response::Section section, const Rrset& set, const Rrset& rrsig,
                      std::size_t owner, std::optional<std::uint32_t> ttl = std::nullopt) noexcept {
    return require(section, set, owner, ttl) &&
           (!wants_proof() || require(section, rrsig, owner, ttl));
  }

  Rrset rrsig(const Rrset& set) const noexcept {
    return signatures_ == nullptr ? Rrset{} : signatures_->rrsig(set);
  }

  Prover prover() noexcept {
    return {response_, *zone_, *signatures_, *name_, owner_, apex(), added_};
  }

  // A wildcard's answer needs the proof that the name itself is not there.
  void note_expansion() noexcept {
    if (match_.is_wildcard && wants_proof()) {
      expansions_.note(*zone_, *signatures_, match_.skip, owner_);
    }
  }

  void prove_expansions() noexcept {
    if (response_.is_truncated() || expansions_.prove(response_, added_)) return;
    response_.set_truncated();
  }

  // The service at the node, when its answer is the name of a site.
  std::optional<routing::ServiceId> routed_alias(const Zone::Node& node) const noexcept {
    const auto service = zone_->service(node);
    if (!service || !snapshot_.zones->routed().service(*service).is_alias()) return std::nullopt;
    return service;
  }

  // True when the node is an alias whose target is to be answered next.
  bool follow_alias(const Zone::Node& node, std::size_t aliases) noexcept {
    const auto routed = routed_alias(node);
    const auto alias = zone_->rrset(node, type::cname);
    // Signature and denial stand beside the alias (RFC 4034 section 4.1): they are its own.
    const bool is_about_alias =
        signatures_ != nullptr && (query_.type == type::rrsig || query_.type == type::nsec);
    if ((!alias && !routed) || query_.type == type::cname || query_.type == type::any ||
        is_about_alias) {
      answer_node(node);
      return false;
    }
    // An alias met before leads where it led: the chain is a loop.
    const auto met = std::span(seen_).first(aliases);
    if (aliases == kMaxAliases || std::find(met.begin(), met.end(), &node) != met.end())
      return false;
    seen_[aliases] = &node;
    const std::size_t target = response_.position() + kRecordHead;
    if (routed) {
      if (!route(*routed, RoutedType::cname)) return false;
      response_.read_name(target, target_);
    } else {
      if (!require_signed(Response::answer, *alias, rrsig(*alias), owner_)) return false;
      note_expansion();
      if (!read_target(alias->wire, kRecordHead, zone_->origin(), target_)) return false;
    }
    name_ = &target_;
    owner_ = target;
    return true;
  }

  // RFC 6672 section 3.2: the DNAME, and a CNAME made from it for those who do not know DNAME. True when
  // the new name is to be answered next.
  bool follow_redirection() noexcept {
    const auto redirection = zone_->rrset(*match_.node, type::dname);
    if (!redirection) return false;
    const std::size_t target = response_.position() + kRecordHead;
    const std::size_t owner = response_.place_of_suffix(owner_, match_.skip);
    if (!require_signed(Response::answer, *redirection, rrsig(*redirection), owner)) return false;
    const std::size_t kept = name_->wire().size() - name_->suffix(match_.skip).size();
    std::array<std::uint8_t, kMaxNameOctets> labels;
    std::copy_n(name_->wire().begin(), kept, labels.begin());
    const Bytes prefix = Bytes(labels).first(kept);
    if (!target_.assign(prefix, redirection->first_data())) {
      response_.set_rcode(Rcode::yxdomain);
      return false;
    }
    const std::size_t alias = response_.position() + kRecordHead;
    if (!response_.add_alias(owner_, redirection->ttl(), prefix, target)) {
      response_.set_truncated();
      return false;
    }
    name_ = &target_;
    owner_ = alias;
    return query_.type != type::cname;  // the alias is the answer
  }

  void answer_node(const Zone::Node& node) noexcept {
    if (const auto service = zone_->service(node)) {
      const RoutedSets::Service& routed = snapshot_.zones->routed().service(*service);
      const auto type = routed_type(query_.type);
      const bool wants_signature = query_.type == type::rrsig && signatures_ != nullptr;
      if (type && routed.decides(*type)) {
        route(*service, *type);
        return;
      }
      if (query_.type == type::any || wants_signature) {
        route(*service, routed.first_type());
        return;
      }
    }
    if (query_.type == type::rrsig && signatures_ != nullptr) return answer_signature(node);
    if (signatures_ != nullptr && answer_made_here(node)) return;
    const auto set =
        query_.type == type::any ? zone_->smallest_rrset(node) : zone_->rrset(node, query_.type);
    if (!set) return deny(Rcode::noerror);
    if (set->type == type::soa && signatures_ != nullptr && answer_apex_set(type::soa)) return;
    require_signed(Response::answer, *set, rrsig(*set), owner_);
    note_expansion();
  }

  // What signing alone puts into the zone.
  bool answer_made_here(const Zone::Node& node) noexcept {
    std::optional<Signatures::Pair> made;
    if (&node == &zone_->nodes().front()) made = signatures_->apex_set(query_.type);
    if (query_.type == type::nsec) made = signatures_->nsec_at(*zone_, node);
    if (!made) return false;
    require_signed(Response::answer, made->set, made->rrsig, owner_);
    note_expansion();
    return true;
  }

  bool answer_apex_set(std::uint16_t type) noexcept {
    const auto made = signatures_->apex_set(type);
    if (made) require_signed(Response::answer, made->set, made->rrsig, owner_);
    return made.has_value();
  }

  // As few of a name's signatures as of its sets (RFC 8482 section 7).
  void answer_signature(const Zone::Node& node) noexcept {
    const auto set = zone_->smallest_rrset(node);
    if (!set) return deny(Rcode::noerror);
    require(Response::answer, rrsig(*set), owner_);
    note_expansion();
  }

  // True when records of a site are in the answer.
  bool route(routing::ServiceId service, RoutedType type) noexcept {
    const Client client = client_of(snapshot_, query_, request_.sender);
    reply_.service = service;
    reply_.client = client.address;
    reply_.client_network = client.network;
    reply_.used_client_subnet = client.is_from_subnet;
    const RoutedSets::Service& routed = snapshot_.zones->routed().service(service);
    if (routed.sites_with(type) == 0) return denied(Rcode::noerror);
    const routing::Nameable nameable =
        routing::nameable_sites(snapshot_.sites, service, routed.sites, routed.on_all_down);
    if (nameable.why == routing::Override::withheld) return withhold(routed, type);
    // While some site is up, a type that only dead sites have is absent, for no longer than an answer
    // would live: never a dead site, and soon again the living one.
    const routing::SiteMask usable = nameable.sites & routed.sites_with(type);
    if (usable == 0) return denied(Rcode::noerror, routed.ttl, type);
    routing::NamedSites named;
    reply_.choice = routing::choose(*snapshot_.table, service, client.address, usable, named);
    reply_.is_chosen = true;
    correct_override(nameable);
    const std::uint8_t scope = client.is_from_subnet ? reply_.choice.scope : std::uint8_t{0};
    response_.set_scope(std::max(response_.scope(), scope));
    // Of the sites that fences leave to this client none has the type: that much is true of its block.
    if ((named.mask() & ~routed.sites_with(type)) != 0)
      return denied(Rcode::noerror, routed.ttl, type);
    return answer_routed(service, type, named);
  }

  bool answer_routed(routing::ServiceId service, RoutedType type,
                     const routing::NamedSites& named) noexcept {
    // The signature is that of these very records (RFC 7871 section 9).
    const routing::SiteMask among = snapshot_.zones->routed().service(service).sites_with(type);
    const Rrset signature = signatures_ == nullptr
                                ? Rrset{}
                                : signatures_->routed_rrsig(service, type, named.all(), among);
    const bool is_signature_enough = query_.type == type::rrsig;
    bool fits = is_signature_enough || require_records(service, type, named);
    if (fits && (is_signature_enough || wants_proof())) {
      fits = require(Response::answer, signature, owner_);
    }
    note_expansion();
    return fits;
  }

  // The records of all sites named are one set: it is there as a whole or not at all. Where records say
  // which comes first, they say what the ranking does.
  bool require_records(routing::ServiceId service, RoutedType type,
                       const routing::NamedSites& named) noexcept {
    const RoutedSets& sets = snapshot_.zones->routed();
    std::size_t octets = 0;
    for (const routing::SiteId site : named.all()) {
      octets += sets.get(service, type, site).wire.size();
    }
    if (octets > response_.room()) {
      response_.set_truncated();
      return false;
    }
    for (std::size_t i = 0; i < named.size; ++i) {
      const std::size_t place = response_.position();
      if (!require(Response::answer, sets.get(service, type, named.sites[i]), owner_)) return false;
      if (is_binding(type)) response_.set_priority(place, i + 1);
    }
    return true;
  }

  // choose() was given only the sites that have the type; say what health alone did.
  void correct_override(const routing::Nameable& nameable) noexcept {
    reply_.choice.override =
        nameable.why != routing::Override::none
            ? nameable.why
            : routing::passed_over(*snapshot_.table, reply_.choice.ranking, nameable.sites);
  }

  // All sites are down, and the service wants nobody sent to them: for no longer than an answer lives.
  bool withhold(const RoutedSets::Service& routed, RoutedType type) noexcept {
    reply_.choice.override = routing::Override::withheld;
    if (routed.on_all_down == routing::OnAllDown::nodata) {
      return denied(Rcode::noerror, routed.ttl, type);
    }
    response_.set_rcode(Rcode::servfail);
    response_.set_extended_error(ExtendedError::no_reachable_authority);
    return false;
  }

  bool denied(Rcode rcode, std::optional<std::uint32_t> longest_ttl = std::nullopt,
              std::optional<RoutedType> without = std::nullopt) noexcept {
    deny(rcode, longest_ttl, without);
    return false;
  }

  // RFC 2308: the apex' SOA tells a denial from a referral. Denials hold for every client, so their
  // scope is 0 (RFC 7871 section 7.4).
  void deny(Rcode rcode, std::optional<std::uint32_t> longest_ttl = std::nullopt,
            std::optional<RoutedType> without = std::nullopt) noexcept {
    response_.set_rcode(rcode);
    const std::uint32_t ttl =
        std::min(longest_ttl.value_or(zone_->negative_ttl()), zone_->negative_ttl());
    const Rrset signature = signatures_ == nullptr ? Rrset{} : signatures_->rrsig(zone_->soa());
    const Rrset soa =
        signatures_ == nullptr ? zone_->negative_soa() : signatures_->negative_soa(*zone_);
    if (!require_signed(Response::authority, soa, signature, apex(), ttl)) return;
    if (!wants_proof() || deny_compactly(rcode, without, ttl)) return;
    const bool fits = rcode == Rcode::nxdomain ? prover().no_name(match_)
                                               : prover().no_data(match_, without, ttl);
    if (!fits) response_.set_truncated();
  }

  // RFC 9824: a missing name is answered as one that has nothing, and says so in its bit map; the
  // rcode tells it only to those who say that they understand both (section 5).
  bool deny_compactly(Rcode rcode, std::optional<RoutedType> without, std::uint32_t ttl) noexcept {
    if (signatures_->online_key() == nullptr) return false;
    const bool is_missing = match_.node == nullptr || match_.is_wildcard;
    reply_.lacked_signature = is_missing && !request_.may_leave_unsigned;
    if (!is_missing || reply_.lacked_signature) return false;
    reply_.unsigned_denial = prover().compact(match_, without, ttl);
    if (!reply_.unsigned_denial) return false;
    if (rcode == Rcode::nxdomain && !query_.edns->compact_ok) response_.set_rcode(Rcode::noerror);
    return true;
  }

  void refer(const Zone::Match& cut) noexcept {
    const auto servers = zone_->rrset(*cut.node, type::ns);
    if (!servers) return;
    const std::size_t owner = response_.place_of_suffix(owner_, cut.skip);
    const std::size_t start = response_.position();
    if (!require(Response::authority, *servers, owner)) return;
    if (wants_proof() && !prove_security(*cut.node, owner)) return;
    prove_expansions();  // before the additional section begins
    const Bytes cut_name = name_->suffix(cut.skip);
    // In-domain glue first: without it the child cannot be reached, so it fits or the reply is
    // truncated (RFC 9471 section 3.1). Glue under a sibling is a courtesy.
    add_glue(*servers, start, cut_name, true);
    if (!response_.is_truncated()) add_glue(*servers, start, cut_name, false);
  }

  // DS, or that there is none (RFC 4035 section 3.1.4).
  bool prove_security(const Zone::Node& cut, std::size_t owner) noexcept {
    if (const auto ds = zone_->rrset(cut, type::ds)) {
      return require_signed(Response::authority, *ds, rrsig(*ds), owner);
    }
    if (prover().no_ds(cut)) return true;
    response_.set_truncated();
    return false;
  }

  void add_glue(const Rrset& servers, std::size_t start, Bytes cut_name, bool in_domain) noexcept {
    Name target;
    const Bytes wire = servers.wire;
    for (std::size_t at = 0; at < wire.size(); at += kRecordHead + servers.data_octets(at)) {
      const std::size_t name_at = at + kRecordHead;
      if (!read_target(wire, name_at, zone_->origin(), target)) continue;
      if (!target.is_within(zone_->origin()) || target.is_within(cut_name) != in_domain) continue;
      const Zone::Node* node = zone_->find_node(target);
      if (node == nullptr) continue;
      for (const std::uint16_t family : {type::a, type::aaaa}) {
        const auto glue = zone_->rrset(*node, family);
        if (!glue || response_.add(Response::additional, *glue, start + name_at, kQuestionName)) {
          continue;
        }
        if (in_domain) return response_.set_truncated();
      }
    }
  }

  const Snapshot& snapshot_;
  const Query& query_;
  const Request& request_;
  Response& response_;
  Reply& reply_;
  const Zone* zone_ = nullptr;
  const Signatures* signatures_ = nullptr;  // null: the zone is not signed
  Zone::Match match_;                       // of the name in the zone
  const Name* name_ = &query_.name;         // the name being answered
  Name target_;                             // of the last alias
  std::size_t owner_ = kQuestionName;       // where it stands in the response
  std::array<const Zone::Node*, kMaxAliases> seen_{};
  Expansions expansions_;
  Prover::Added added_;
};

}  // namespace

void answer_question(const Snapshot& snapshot, const Query& query, const Request& request,
                     Response& response, Reply& reply) noexcept {
  Answerer(snapshot, query, request, response, reply).run();
}

}  // namespace isochrone::dns
