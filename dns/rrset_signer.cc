// SPDX-License-Identifier: Apache-2.0
#include "dns/rrset_signer.h"

#include <fmt/format.h>

#include <algorithm>

#include "dns/ldns.h"
#include "dns/name.h"
#include "dns/wire.h"

namespace isochrone::dns {
namespace {

// Where expiration stands in RRSIG data, followed by inception (RFC 4034 section 3.1).
constexpr std::size_t kExpirationAt = 8;

std::uint32_t seconds_of(Instant time) {
  return static_cast<std::uint32_t>(unix_nanos(time) / 1'000'000'000);
}

void put(std::vector<std::uint8_t>& out, std::uint32_t value, int octets) {
  while (octets-- > 0) out.push_back(static_cast<std::uint8_t>(value >> (8 * octets)));
}

// Labels of a name without the root and without a leading "*".
std::uint8_t label_count(Bytes owner) {
  Name name;
  name.assign(owner);
  const bool is_wildcard = owner.size() > 1 && owner[0] == 1 && owner[1] == '*';
  return static_cast<std::uint8_t>(name.labels() - (is_wildcard ? 1 : 0));
}

}  // namespace

RrsetSigner::RrsetSigner(Bytes zone, std::span<const SigningKey> keys, const SigningPolicy& policy,
                         Instant now, const Signatures* before, Signatures& to)
    : zone_(zone), policy_(policy), now_(seconds_of(now)), before_(before), to_(to) {
  Signers zone_signing;
  for (const SigningKey& key : keys) {
    const KeyState state = key.state(now);
    const bool is_active = state == KeyState::active;
    if (is_active) data_signers_.push_back(&key);
    if (is_active && !key.is_secure_entry_point()) zone_signing.push_back(&key);
    // A retired key goes on signing the key set: the DS at the parent may still be its alone.
    if ((is_active || state == KeyState::retired) && key.is_secure_entry_point()) {
      key_signers_.push_back(&key);
    }
  }
  if (key_signers_.empty()) key_signers_ = data_signers_;
  // Where keys are split, those with the SEP flag sign keys only.
  if (!zone_signing.empty()) data_signers_ = zone_signing;
}

const RrsetSigner::Signers& RrsetSigner::signers_of(std::uint16_t record_type) const {
  const bool is_of_keys =
      record_type == type::dnskey || record_type == type::cds || record_type == type::cdnskey;
  return is_of_keys ? key_signers_ : data_signers_;
}

// What a signature rests on: content and keys. Equal digests mean that it can be kept.
RrsetSigner::Digest RrsetSigner::digest_of(Bytes content, const Signers& signers) const {
  std::vector<std::uint8_t> all(content.begin(), content.end());
  for (const SigningKey* key : signers) {
    all.insert(all.end(), key->dnskey().begin(), key->dnskey().end());
  }
  std::array<std::uint8_t, LDNS_SHA256_DIGEST_LENGTH> whole;
  ldns_sha256(all.data(), static_cast<unsigned>(all.size()), whole.data());
  Digest digest;
  std::copy_n(whole.begin(), digest.size(), digest.begin());
  return digest;
}

// The RRSIGs made before for this content, when they last long enough.
std::optional<Rrset> RrsetSigner::kept(const Digest& digest) const {
  if (before_ == nullptr) return std::nullopt;
  const auto& memory = before_->memory_;
  const auto at = std::lower_bound(
      memory.begin(), memory.end(), digest,
      [](const Signatures::Remembered& a, const Digest& b) { return a.digest < b; });
  if (at == memory.end() || at->digest != digest) return std::nullopt;
  const Rrset set = before_->get(at->rrsig);
  ByteReader times(set.first_data().subspan(kExpirationAt, 8));
  const auto left = std::int64_t{times.u32()} - now_;
  const auto begun = std::int64_t{now_} - times.u32();
  // Longer than the policy or begun in the future: the policy or the clock has changed.
  if (left < policy_.refresh.count() || left > policy_.lifetime.count() || begun < 0) {
    return std::nullopt;
  }
  return set;
}

std::uint32_t RrsetSigner::expiration_for(const Digest& digest) const {
  const auto lifetime = static_cast<std::uint64_t>(policy_.lifetime.count());
  const auto spread = static_cast<std::uint64_t>((policy_.lifetime - policy_.refresh).count()) / 2;
  ByteReader random(digest);
  const std::uint64_t earlier = (std::uint64_t{random.u32()} * spread) >> 32;
  return static_cast<std::uint32_t>(now_ + lifetime - earlier);
}

Result<std::vector<RecordData>> RrsetSigner::make(const SetToSign& set, Bytes content,
                                                  const Digest& digest,
                                                  const Signers& signers) const {
  std::vector<RecordData> made;
  for (const SigningKey* key : signers) {
    RecordData data;
    put(data, set.type, 2);
    put(data, static_cast<std::uint32_t>(key->algorithm()), 1);
    put(data, label_count(set.owner), 1);
    put(data, set.ttl, 4);
    put(data, expiration_for(digest), 4);
    put(data, now_ - static_cast<std::uint32_t>(kInceptionOffset.count()), 4);
    put(data, key->tag(), 2);
    data.insert(data.end(), zone_.begin(), zone_.end());
    std::vector<std::uint8_t> covered = data;
    covered.insert(covered.end(), content.begin(), content.end());
    SignatureBytes signature;
    if (!key->sign(covered, signature)) {
      return fail(
          Errc::unavailable,
          fmt::format("key {} cannot sign: the cryptographic library refuses", key->file_name()));
    }
    data.insert(data.end(), signature.begin(), signature.end());
    made.push_back(std::move(data));
  }
  return made;
}

Result<RrsetArena::Handle> RrsetSigner::sign(const SetToSign& set) {
  const auto content = canonical_set(set.owner, set.type, set.ttl, set.data);
  const Signers& signers = signers_of(set.type);
  const Digest digest = digest_of(content, signers);
  std::vector<RecordData> data;
  if (const auto old = kept(digest)) {
    data = uncompressed(*old, {});
    ++to_.kept_;
  } else {
    auto made = make(set, content, digest, signers);
    if (!made) return tl::unexpected(made.error());
    data = std::move(*made);
    ++to_.made_;
  }
  std::vector<Bytes> records(data.begin(), data.end());
  const auto handle = to_.arena_.add(type::rrsig, set.ttl, records, {});
  if (!handle) {
    return fail(Errc::limit,
                fmt::format("signatures of zone {} exceed 4 GiB", name_to_text(zone_)));
  }
  to_.memory_.push_back({digest, *handle});
  for (const Bytes& record : records) {
    const Instant end = from_unix_nanos(
        std::int64_t{ByteReader(record.subspan(kExpirationAt, 4)).u32()} * 1'000'000'000);
    if (to_.earliest_expiration_ == Instant{} || end < to_.earliest_expiration_) {
      to_.earliest_expiration_ = end;
    }
  }
  return *handle;
}

std::shared_ptr<const OnlineKey> RrsetSigner::online_key() const {
  if (data_signers_.size() != 1) return nullptr;
  return std::make_shared<const OnlineKey>(
      *data_signers_.front(), zone_, now_ - static_cast<std::uint32_t>(kInceptionOffset.count()),
      static_cast<std::uint32_t>(now_ + policy_.lifetime.count()));
}

Result<SignedSet> RrsetSigner::add(const SetToSign& set) {
  std::vector<Bytes> records(set.data.begin(), set.data.end());
  const auto handle = to_.arena_.add(set.type, set.ttl, records, {});
  if (!handle) {
    return fail(Errc::limit,
                fmt::format("a set of zone {} does not fit a message", name_to_text(zone_)));
  }
  auto rrsig = sign(set);
  if (!rrsig) return tl::unexpected(rrsig.error());
  return SignedSet{*handle, *rrsig};
}

}  // namespace isochrone::dns
