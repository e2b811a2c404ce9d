// SPDX-License-Identifier: Apache-2.0
#include "dns/zone.h"

#include <algorithm>
#include <array>

#include "base/huge_pages.h"
#include "dns/wire.h"

namespace isochrone::dns {

std::uint32_t Zone::find_index(Bytes name, std::uint32_t hash) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask; slots_[at] != 0; at = (at + 1) & mask) {
    if (static_cast<std::uint32_t>(slots_[at]) != hash) continue;
    const auto found = static_cast<std::uint32_t>(slots_[at] >> 32);
    const Node& node = nodes_[found - 1];
    if (node.name_octets == name.size() &&
        std::equal(name.begin(), name.end(), names_.data() + node.name)) {
      return found;
    }
  }
  return 0;
}

const Zone::Node* Zone::find_node(const Name& name, std::size_t skip) const noexcept {
  const std::uint32_t found = find_index(name.suffix(skip), name.suffix_hash(skip));
  return found == 0 ? nullptr : &nodes_[found - 1];
}

void Zone::fetch_slot(std::uint32_t hash) const noexcept {
  __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]);
}

const Zone::Node* Zone::fetch_node(std::uint32_t hash) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask; slots_[at] != 0; at = (at + 1) & mask) {
    if (static_cast<std::uint32_t>(slots_[at]) != hash) continue;
    const Node* node = &nodes_[(slots_[at] >> 32) - 1];
    __builtin_prefetch(node);
    return node;
  }
  return nullptr;
}

void Zone::fetch_name(const Node& node) const noexcept {
  __builtin_prefetch(names_.data() + node.name);
  __builtin_prefetch(names_.data() + node.name + node.name_octets);
  if (node.rrsets > 0) __builtin_prefetch(&rrsets_[node.first_rrset]);
}

void Zone::fetch_rrset(const Node& node) const noexcept {
  if (node.rrsets > 0) arena_.fetch(rrsets_[node.first_rrset]);
}

const Zone::Node* Zone::find_wildcard(const Name& name, std::size_t encloser_skip) const noexcept {
  static constexpr std::array<std::uint8_t, 2> kStar{1, '*'};
  const Bytes parent = name.suffix(encloser_skip);
  // No wildcard fits below a name this long, so none exists.
  if (parent.size() + kStar.size() > kMaxNameOctets) return nullptr;
  std::array<std::uint8_t, kMaxNameOctets> wildcard;
  std::copy(kStar.begin(), kStar.end(), wildcard.begin());
  std::copy(parent.begin(), parent.end(), wildcard.begin() + kStar.size());
  const std::uint32_t hash = extend_hash(name.suffix_hash(encloser_skip), Bytes(kStar).subspan(1));
  const std::uint32_t found = find_index(Bytes(wildcard).first(parent.size() + kStar.size()), hash);
  return found == 0 ? nullptr : &nodes_[found - 1];
}

// The first node from the apex down that hands the name on: to other servers, or to another name.
Zone::Match Zone::topmost_cut(const Name& name) const noexcept {
  for (std::size_t at = name.labels() - origin_labels_ + 1; at-- > 0;) {
    const Node* node = find_node(name, at);
    if (node == nullptr) continue;
    if (node->is_cut) return {Kind::referral, node, at, false};
    if (node->has_dname && at > 0) return {Kind::redirection, node, at, false};
  }
  return {};
}

Zone::Match Zone::find(const Name& name, std::uint16_t qtype) const noexcept {
  const Node* node = find_node(name);
  std::size_t encloser = 0;
  if (node == nullptr) {
    // The longest existing ancestor: missing at `missing`, present at `present`, and monotone between.
    std::size_t missing = 0;
    encloser = name.labels() - origin_labels_;
    while (encloser - missing > 1) {
      const std::size_t middle = missing + (encloser - missing) / 2;
      (find_node(name, middle) == nullptr ? missing : encloser) = middle;
    }
  }
  const Node* closest = node != nullptr ? node : find_node(name, encloser);
  if (closest == nullptr) return {};
  const bool is_parents_ds = node != nullptr && node->is_cut && qtype == type::ds;
  const bool is_missing = node == nullptr;
  const bool is_redirected = is_missing && closest->has_dname;
  if (closest->is_below_cut || is_redirected || (closest->is_cut && !is_parents_ds)) {
    return topmost_cut(name);
  }
  if (is_missing && closest->has_wildcard) node = find_wildcard(name, encloser);
  return {node == nullptr ? Kind::nxdomain : Kind::node, node, encloser, is_missing};
}

std::optional<Rrset> Zone::rrset(const Node& node, std::uint16_t qtype) const noexcept {
  for (std::size_t i = 0; i < node.rrsets; ++i) {
    if (rrsets_[node.first_rrset + i].type == qtype) return rrset_at(node.first_rrset + i);
  }
  return std::nullopt;
}

std::optional<Rrset> Zone::smallest_rrset(const Node& node) const noexcept {
  if (node.rrsets == 0) return std::nullopt;
  std::size_t smallest = node.first_rrset;
  for (std::size_t id = smallest + 1; id < std::size_t{node.first_rrset} + node.rrsets; ++id) {
    if (rrsets_[id].octets < rrsets_[smallest].octets) smallest = id;
  }
  return rrset_at(smallest);
}

void Zone::settle() noexcept {
  use_huge_pages(slots_);
  use_huge_pages(nodes_);
  use_huge_pages(names_);
  use_huge_pages(rrsets_);
  arena_.settle();
}

// What is reserved beyond sizes was never written, and takes no memory.
std::size_t Zone::memory_bytes() const noexcept {
  return slots_.size() * sizeof(Slot) + nodes_.size() * sizeof(Node) + names_.size() +
         rrsets_.size() * sizeof(RrsetArena::Handle) + arena_.memory_bytes();
}

}  // namespace isochrone::dns
