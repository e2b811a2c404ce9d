// SPDX-License-Identifier: Apache-2.0
#include "dns/carried_signatures.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "dns/base32.h"
#include "dns/canonical.h"
#include "dns/wire.h"

namespace isochrone::dns {
namespace {

constexpr std::uint8_t kSha1 = 1;
constexpr std::size_t kExpirationAt = 8;  // in RRSIG data (RFC 4034 section 3.1)
constexpr std::size_t kRrsigNumbers = 18;

// What an RRSIG covers; 0 where it is broken.
std::uint16_t covered_by(Bytes data) {
  return data.size() < kRrsigNumbers ? std::uint16_t{0} : ByteReader(data).u16();
}

// RFC 5155 section 3.2, and 4.2 without what follows the salt.
struct HashData {
  std::uint8_t algorithm = 0;
  HashTerms terms;
  bool is_whole = false;
};
HashData hash_data(Bytes data) {
  ByteReader in(data);
  HashData read;
  read.algorithm = in.u8();
  in.skip(1);  // opt-out says what the chain proves, not how it is found
  read.terms.iterations = in.u16();
  const Bytes salt = in.take(in.u8());
  read.terms.salt.assign(salt.begin(), salt.end());
  read.is_whole = in.ok();
  return read;
}

bool is_before(Bytes a, std::uint16_t a_type, Bytes b, std::uint16_t b_type) {
  const auto order = compare_keys(a, b);
  return order != 0 ? order < 0 : a_type < b_type;
}

}  // namespace

std::shared_ptr<const Signatures> CarriedSignatures::read() {
  if (!collect()) return nullptr;
  made_ = std::make_shared<Signatures>();
  if (!zone_.rrset(zone_.nodes().front(), type::dnskey) || !read_hash_terms() || !read_chain()) {
    if (!records_.errors.empty()) return nullptr;
    records_.warning((rrsigs_.empty() ? denials_ : rrsigs_).front()->line,
                     "DNSSEC records are left out: no DNSKEY at the apex, or nothing that denies; "
                     "sign the zone whole, or here");
    return nullptr;
  }
  read_sets();
  place_nodes();
  note_expirations();
  warn_of_routed();
  made_->serial_ = made_->zone_serial_ = zone_.serial();
  return made_;
}

// False when there is nothing of DNSSEC.
bool CarriedSignatures::collect() {
  const Bytes apex = zone_.origin();
  for (const Row& row : records_.rows) {
    if (!type::is_signature(row.type)) continue;
    const Bytes owner = zone_.stored_name(row.owner);
    Name name;
    if (!name.assign(owner) || !name.is_within(apex)) continue;
    if (row.type == type::rrsig) {
      if (covered_by(records_.rdata(row)) != 0) rrsigs_.push_back(&row);
    } else if (row.type != type::nsec3param) {
      denials_.push_back(&row);
    } else if (hash_terms_ == nullptr && owner.size() == apex.size()) {
      hash_terms_ = &row;
    }
  }
  std::sort(rrsigs_.begin(), rrsigs_.end(), [this](const Row* a, const Row* b) {
    return is_before(zone_.stored_name(a->owner), covered_by(records_.rdata(*a)),
                     zone_.stored_name(b->owner), covered_by(records_.rdata(*b)));
  });
  return !rrsigs_.empty() || !denials_.empty();
}

// False when names are hashed in a way that nobody here can follow.
bool CarriedSignatures::read_hash_terms() {
  if (hash_terms_ == nullptr) return true;
  HashData data = hash_data(records_.rdata(*hash_terms_));
  if (!data.is_whole || data.algorithm != kSha1) return false;
  if (data.terms.iterations > kMaxHashIterations) {
    records_.error(hash_terms_->line,
                   fmt::format("{} NSEC3 iterations; at most {} are served (RFC 9276: use 0)",
                               data.terms.iterations, kMaxHashIterations));
    return false;
  }
  made_->denial_ = Denial::nsec3;
  made_->hash_terms_ = std::move(data.terms);
  return true;
}

// The place of a denial in the chain; nothing when it does not belong to it.
std::optional<std::vector<std::uint8_t>> CarriedSignatures::key_of(const Row& row) const {
  const Bytes owner = zone_.stored_name(row.owner);
  if (hash_terms_ == nullptr) {
    if (row.type != type::nsec) return std::nullopt;
    const CanonicalKey key(owner);
    return std::vector<std::uint8_t>(key.bytes().begin(), key.bytes().end());
  }
  const HashData data = hash_data(records_.rdata(row));
  if (row.type != type::nsec3 || !data.is_whole || data.algorithm != kSha1) return std::nullopt;
  const bool is_of_chain = data.terms.iterations == made_->hash_terms_.iterations &&
                           data.terms.salt == made_->hash_terms_.salt;
  if (!is_of_chain || owner.size() != owner[0] + std::size_t{1} + zone_.origin().size()) {
    return std::nullopt;
  }
  auto hash = hash_of_label(owner.subspan(1, owner[0]));
  if (!hash || hash->size() != NameHash().size()) return std::nullopt;
  return hash;
}

bool CarriedSignatures::read_chain() {
  std::vector<Link> links;
  for (const Row* row : denials_) {
    if (auto key = key_of(*row)) links.push_back({std::move(*key), row});
  }
  const auto by_key = [](const Link& a, const Link& b) { return compare_keys(a.key, b.key) < 0; };
  std::sort(links.begin(), links.end(), by_key);
  for (const Link& link : links) {
    const std::size_t size = made_->chain_.size();
    if (size > 0 && made_->chain_.has_key(static_cast<std::uint32_t>(size - 1), link.key)) continue;
    const Bytes owner = zone_.stored_name(link.row->owner);
    const SignedSet pair = pair_of(owner, *link.row);
    if (pair.set.records == 0) continue;
    made_->chain_.add(link.key, owner.first(owner.size() - zone_.origin().size()), pair);
  }
  made_->chain_.shrink();
  // All proofs go up to the apex at most.
  const Bytes apex = zone_.origin();
  const auto hash = hash_name(apex, made_->hash_terms_);
  const CanonicalKey name(apex);
  const Bytes key = hash_terms_ == nullptr ? name.bytes() : Bytes(hash);
  return made_->chain_.size() > 0 && made_->chain_.has_key(made_->chain_.covering(key), key);
}

SignedSet CarriedSignatures::pair_of(Bytes owner, const Row& row) {
  const Bytes data = records_.rdata(row);
  const auto set = made_->arena_.add(row.type, row.ttl, std::span(&data, 1), zone_.origin());
  if (!set) return {};
  return {*set, rrsig_of(owner, row.type)};
}

RrsetArena::Handle CarriedSignatures::rrsig_of(Bytes owner, std::uint16_t covered) {
  const auto first = std::partition_point(rrsigs_.begin(), rrsigs_.end(), [&](const Row* row) {
    return is_before(zone_.stored_name(row->owner), covered_by(records_.rdata(*row)), owner,
                     covered);
  });
  std::vector<Bytes> data;
  std::uint32_t ttl = std::numeric_limits<std::uint32_t>::max();
  for (auto at = first; at != rrsigs_.end(); ++at) {
    const Bytes one = records_.rdata(**at);
    if (covered_by(one) != covered || compare_keys(zone_.stored_name((*at)->owner), owner) != 0) {
      break;
    }
    ttl = std::min(ttl, (*at)->ttl);
    data.push_back(one);
  }
  if (data.empty()) return {};
  return made_->arena_.add(type::rrsig, ttl, data, zone_.origin()).value_or(RrsetArena::Handle{});
}

void CarriedSignatures::read_sets() {
  made_->rrsigs_.resize(zone_.rrsets());
  for (const Zone::Node& node : zone_.nodes()) {
    for (std::size_t i = 0; i < node.rrsets && !node.is_below_cut; ++i) {
      const Rrset set = zone_.rrset_at(node.first_rrset + i);
      if (node.is_cut && set.type != type::ds) continue;  // RFC 4035 section 2.2
      made_->rrsigs_[set.id] = rrsig_of(zone_.name(node), set.type);
    }
  }
  if (hash_terms_ == nullptr) return;
  made_->apex_.push_back({type::nsec3param, pair_of(zone_.origin(), *hash_terms_)});
}

void CarriedSignatures::place_nodes() {
  const bool is_nsec3 = hash_terms_ != nullptr;
  const DenialChain& chain = made_->chain_;
  made_->entry_of_node_.assign(zone_.nodes().size(), DenialChain::kNone);
  if (is_nsec3) made_->star_of_node_.assign(zone_.nodes().size(), DenialChain::kNone);
  for (const Zone::Node& node : zone_.nodes()) {
    if (node.is_below_cut) continue;
    const Bytes name = zone_.name(node);
    const std::size_t id = zone_.id(node);
    if (!is_nsec3) {
      // At an empty non-terminal the one whose interval holds it.
      made_->entry_of_node_[id] = chain.covering(CanonicalKey(name).bytes());
      continue;
    }
    const NameHash hash = hash_name(name, made_->hash_terms_);
    const std::uint32_t entry = chain.covering(hash);
    if (chain.has_key(entry, hash)) made_->entry_of_node_[id] = entry;  // else it was opted out
    if (node.has_wildcard || node.is_cut || name.size() + 2 > kMaxNameOctets) continue;
    std::vector<std::uint8_t> star{1, '*'};
    star.insert(star.end(), name.begin(), name.end());
    made_->star_of_node_[id] = chain.covering(hash_name(star, made_->hash_terms_));
  }
}

void CarriedSignatures::note_expirations() {
  std::uint32_t earliest = std::numeric_limits<std::uint32_t>::max();
  for (const Row* row : rrsigs_) {
    ByteReader in(records_.rdata(*row).subspan(kExpirationAt));
    earliest = std::min(earliest, in.u32());
  }
  made_->earliest_expiration_ = from_unix_nanos(std::int64_t{earliest} * 1'000'000'000);
}

void CarriedSignatures::warn_of_routed() const {
  for (const Zone::Node& node : zone_.nodes()) {
    if (!zone_.service(node)) continue;
    records_.warning(
        0, fmt::format("{} is routed and the zone came signed: validators will not believe its "
                       "answers; have the zone signed here, from an unsigned primary",
                       name_to_text(zone_.name(node))));
  }
}

}  // namespace isochrone::dns
