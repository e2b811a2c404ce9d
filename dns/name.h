// SPDX-License-Identifier: Apache-2.0
//
// Name: a domain name in wire form, folded to lower case, with the hash of each of its suffixes.
//
// Shape:   labels, each preceded by its length, up to and including the root's zero octet; any octet
//          may stand in a label (RFC 2181 section 11). Only A-Z fold (RFC 4343).
// Hashes:  built from the root down, so that a child's hash is its parent's and one more label: the
//          walk to a closest encloser hashes nothing again. Zone tables hold only names of their own
//          zone file, so the hash needs no seed against crafted names.
// Cost:    no allocation; about 1 KiB on the stack.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace isochrone::dns {

constexpr std::size_t kMaxNameOctets = 255;  // RFC 1035 section 2.3.4, in wire form
constexpr std::size_t kMaxLabelOctets = 63;
constexpr std::size_t kMaxLabels = 127;  // 127 labels of one octet and the root make 255

constexpr std::uint32_t kRootHash = 0x9e37'79b9;
// The hash of `label` (without its length octet) below a name whose hash is `parent`.
std::uint32_t extend_hash(std::uint32_t parent, Bytes label) noexcept;

constexpr std::uint8_t fold(std::uint8_t octet) noexcept {
  return octet >= 'A' && octet <= 'Z' ? static_cast<std::uint8_t>(octet | 0x20) : octet;
}

// The size of the uncompressed name at the start of `bytes`; nothing when it is cut short, longer
// than 255 octets, or holds a compression pointer.
std::optional<std::size_t> name_size(Bytes bytes) noexcept;

class Name {
 public:
  Name() noexcept {  // the root; what it does not use is left as it is
    starts_[0] = 0;
    hashes_[0] = kRootHash;
    octets_[0] = 0;
  }

  // Takes the uncompressed name at the start of `bytes`. False, and unchanged, when there is none.
  bool assign(Bytes bytes) noexcept;
  // Takes `labels` (without a root octet) followed by `suffix`: a name whose end is known already.
  bool assign(Bytes labels, Bytes suffix) noexcept;

  Bytes wire() const noexcept { return Bytes(octets_).first(size_); }
  std::size_t labels() const noexcept { return labels_; }
  // The name without its first `skip` labels, 0 <= skip <= labels().
  Bytes suffix(std::size_t skip) const noexcept {
    return Bytes(octets_).subspan(starts_[skip], std::size_t{size_} - starts_[skip]);
  }
  std::uint32_t suffix_hash(std::size_t skip) const noexcept { return hashes_[skip]; }
  std::uint32_t hash() const noexcept { return hashes_[0]; }
  // Whether the name is `other` (folded wire form) or lies below it.
  bool is_within(Bytes other) const noexcept;

 private:
  void index() noexcept;

  std::uint8_t size_ = 1;
  std::uint8_t labels_ = 0;
  std::array<std::uint8_t, kMaxLabels + 1> starts_;  // where each label starts; last: the root
  std::array<std::uint32_t, kMaxLabels + 1> hashes_;
  std::array<std::uint8_t, kMaxNameOctets> octets_;
};

// Master file text to wire form, absolute with or without a final dot, escapes as in RFC 1035
// section 5.1. For configuration and tests; folded.
std::optional<std::vector<std::uint8_t>> name_from_text(std::string_view text);
// Without the final dot, except for the root: "."; unprintable octets as \DDD.
std::string name_to_text(Bytes wire);

}  // namespace isochrone::dns
