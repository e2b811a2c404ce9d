// SPDX-License-Identifier: Apache-2.0
//
// Zone: the names and precompiled RRsets of one zone, found by hash.
//
// Threads:   immutable once built (zone_builder.h); any number of readers, no locks.
// Cost:      an existing name is one hash probe; a missing one a binary search over its ancestors. No
//            allocation. About 80 octets for a name with one address.
// Invariant: every ancestor of a name, up to the apex, is a node, so existence is monotone along a
//            name and empty non-terminals are found like any other (RFC 8020).
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "dns/name.h"
#include "dns/rrset.h"
#include "routing/topology.h"

namespace isochrone::dns {

class Signatures;

class Zone {
 public:
  struct Node {
    std::uint32_t name = 0;         // offset of the folded wire name
    std::uint32_t first_rrset = 0;  // its RRsets follow one another
    std::uint16_t rrsets = 0;
    std::uint16_t service = kNoService;
    std::uint8_t name_octets = 0;
    bool is_cut = false;        // NS records below the apex
    bool is_below_cut = false;  // glue, or occluded by a delegation or a DNAME above
    bool has_dname = false;     // names below are redirected (RFC 6672)
    bool has_wildcard = false;  // a child named "*"
  };
  enum class Kind : std::uint8_t { node, referral, redirection, nxdomain };
  struct Match {
    Kind kind = Kind::nxdomain;
    const Node* node =
        nullptr;  // the name's own, the wildcard's, the cut, or the DNAME's; null for nxdomain
    // How many labels of the name stand before the cut of a referral or the owner of a DNAME, or before
    // the closest encloser of a missing name and of one that a wildcard stands for.
    std::size_t skip = 0;
    bool is_wildcard = false;
  };

  // Where a name that lies within this zone leads (RFC 1034 section 4.3.2). DS at a cut is the
  // parent's own data (RFC 4035 section 3.1.4.1).
  Match find(const Name& name, std::uint16_t type) const noexcept;
  // The node of exactly the suffix of `name` that is left after `skip` labels.
  const Node* find_node(const Name& name, std::size_t skip = 0) const noexcept;

  // The steps of find_node() and rrset() for look_ahead.h: each begins to bring near what the next reads.
  void fetch_slot(std::uint32_t hash) const noexcept;
  const Node* fetch_node(
      std::uint32_t hash) const noexcept;  // by the hash alone; null when missing
  void fetch_name(const Node& node) const noexcept;
  void fetch_rrset(const Node& node) const noexcept;

  std::optional<Rrset> rrset(const Node& node, std::uint16_t type) const noexcept;
  // RFC 8482 section 4.1: the smallest set stands for all; nothing when the node has none.
  std::optional<Rrset> smallest_rrset(const Node& node) const noexcept;
  std::optional<routing::ServiceId> service(const Node& node) const noexcept {
    if (node.service == kNoService) return std::nullopt;
    return routing::ServiceId(node.service);
  }
  // The SOA as negative answers carry it: TTL min(SOA TTL, MINIMUM) (RFC 2308 section 5).
  Rrset negative_soa() const noexcept { return arena_.get(negative_soa_); }
  Rrset soa() const noexcept { return rrset_at(soa_); }
  std::uint32_t negative_ttl() const noexcept { return negative_ttl_; }

  // False of a secondary zone that never came or has expired: there is nothing to answer from.
  bool is_available() const noexcept { return negative_soa_.records != 0; }

  // What is in it, for those who compile more from it. The apex is the first node.
  const std::vector<Node>& nodes() const noexcept { return nodes_; }
  std::size_t id(const Node& node) const noexcept {
    return static_cast<std::size_t>(&node - nodes_.data());
  }
  Bytes name(const Node& node) const noexcept {
    return Bytes(names_).subspan(node.name, node.name_octets);
  }
  // The wire name at an offset that the records the zone was built from have.
  Bytes stored_name(std::uint32_t offset) const noexcept {
    const Bytes rest = Bytes(names_).subspan(offset);
    return rest.first(name_size(rest).value_or(0));
  }
  std::size_t rrsets() const noexcept { return rrsets_.size(); }
  Rrset rrset_at(std::size_t id) const noexcept {
    Rrset set = arena_.get(rrsets_[id]);
    set.id = static_cast<std::uint32_t>(id);
    return set;
  }

  // The signatures that it came with (carried_signatures.h), if any that can be served.
  const std::shared_ptr<const Signatures>& carried() const noexcept { return carried_; }
  void carry(std::shared_ptr<const Signatures> signatures) { carried_ = std::move(signatures); }

  Bytes origin() const noexcept { return origin_; }
  std::size_t origin_labels() const noexcept { return origin_labels_; }
  std::uint32_t serial() const noexcept { return serial_; }
  std::size_t names() const noexcept { return nodes_.size(); }
  std::size_t memory_bytes() const noexcept;

 private:
  friend class ZoneBuilder;
  static constexpr std::uint16_t kNoService = std::numeric_limits<std::uint16_t>::max();
  // A slot holds node index + 1 above, the name's hash below; 0 is free.
  using Slot = std::uint64_t;

  void settle() noexcept;  // once nothing is added any more
  std::uint32_t find_index(Bytes name, std::uint32_t hash) const noexcept;  // index + 1, or 0
  const Node* find_wildcard(const Name& name, std::size_t encloser_skip) const noexcept;
  Match topmost_cut(const Name& name) const noexcept;

  std::vector<std::uint8_t> origin_;
  std::size_t origin_labels_ = 0;
  std::uint32_t serial_ = 0;
  std::uint32_t negative_ttl_ = 0;
  RrsetArena::Handle negative_soa_;
  std::size_t soa_ = 0;      // the apex' own
  std::vector<Slot> slots_;  // a power of two, at most 3/4 full, linear probing
  std::vector<Node> nodes_;
  std::vector<std::uint8_t> names_;
  std::vector<RrsetArena::Handle> rrsets_;
  RrsetArena arena_;
  std::shared_ptr<const Signatures> carried_;
};

}  // namespace isochrone::dns
