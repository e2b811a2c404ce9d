// SPDX-License-Identifier: Apache-2.0
//
// RoutedNetworks: the prefixes of a BGP table, and the AS that each comes from.
//
// Format:     one prefix a line, its AS behind a blank; what follows ';' or '#' is a remark. That is what
//             pyasn and a dump of a table by bgpdump or bgpscanner are reduced to. AS 0: not known.
// Limits:     kMaxBytes of text. A line that is none is an error that names it; all or nothing.
// Threads:    immutable once read.
// Cost:       32 bytes a prefix; find() is a binary search.
// Invariant:  networks are sorted and unique (of equal prefixes the last counts); one may lie inside another.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "routing/terms.h"

namespace isochrone::routing {

class RoutedNetworks {
 public:
  // A full table of 2026 has 30 MB.
  static constexpr std::size_t kMaxBytes = std::size_t{256} << 20;

  struct Network {
    Prefix prefix;
    std::uint32_t as = 0;
    std::uint32_t around = ~std::uint32_t{0};  // index of the network this one lies in
  };

  static Result<RoutedNetworks> load(const std::filesystem::path& file);
  static Result<RoutedNetworks> parse(std::string_view text);

  const std::vector<Network>& networks() const noexcept { return networks_; }
  // The longest network that contains all of the prefix; null when there is none.
  const Network* around(const Prefix& prefix) const noexcept;
  // What is routed to the AS: the longest network around an address says.
  Region region_of(std::uint32_t as) const;

 private:
  std::vector<Network> networks_;
};

}  // namespace isochrone::routing
