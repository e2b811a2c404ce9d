// SPDX-License-Identifier: Apache-2.0
#include "routing/routed_networks.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "base/text.h"

namespace isochrone::routing {
namespace {

constexpr std::string_view kBlanks = " \t\r";

// Takes the next word from the line; empty when there is none.
std::string_view take_word(std::string_view& line) {
  const std::size_t begin = std::min(line.find_first_not_of(kBlanks), line.size());
  line.remove_prefix(begin);
  const std::size_t end = std::min(line.find_first_of(kBlanks), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

std::optional<RoutedNetworks::Network> network_of(std::string_view line) {
  const auto prefix = Prefix::parse(take_word(line));
  if (!prefix) return std::nullopt;
  const std::string_view word = take_word(line);
  if (word.empty()) return RoutedNetworks::Network{*prefix};
  const auto as = parse_number<std::uint32_t>(word);
  if (!as || !take_word(line).empty()) return std::nullopt;
  return RoutedNetworks::Network{*prefix, *as};
}

}  // namespace

Result<RoutedNetworks> RoutedNetworks::load(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return fail(Errc::io, "cannot open " + file.string());
  std::string text;
  std::string chunk(std::size_t{1} << 20, '\0');
  while (in.read(chunk.data(), static_cast<std::streamsize>(chunk.size())), in.gcount() > 0) {
    text.append(chunk, 0, static_cast<std::size_t>(in.gcount()));
    if (text.size() > kMaxBytes) break;
  }
  auto parsed = parse(text);
  if (!parsed) return tl::unexpected(parsed.error().within(file.string()));
  return parsed;
}

Result<RoutedNetworks> RoutedNetworks::parse(std::string_view text) {
  if (text.size() > kMaxBytes) return fail(Errc::limit, "more than 256 MiB; name fewer networks");
  RoutedNetworks all;
  std::vector<Network>& networks = all.networks_;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    line = line.substr(0, line.find_first_of(";#"));
    if (line.find_first_not_of(kBlanks) == std::string_view::npos) continue;
    const auto network = network_of(line);
    if (!network) {
      return fail(Errc::invalid, "line " + std::to_string(number) +
                                     ": neither a prefix nor a prefix and its AS number; write "
                                     "192.0.2.0/24 64496");
    }
    networks.push_back(*network);
  }
  std::stable_sort(networks.begin(), networks.end(),
                   [](const Network& a, const Network& b) { return a.prefix < b.prefix; });
  // Of equal ones the last.
  const auto first =
      std::unique(networks.rbegin(), networks.rend(),
                  [](const Network& a, const Network& b) { return a.prefix == b.prefix; });
  networks.erase(networks.begin(), first.base());
  std::vector<std::uint32_t> open;
  for (std::size_t i = 0; i < networks.size(); ++i) {
    while (!open.empty() && !networks[open.back()].prefix.contains(networks[i].prefix)) {
      open.pop_back();
    }
    if (!open.empty()) networks[i].around = open.back();
    open.push_back(static_cast<std::uint32_t>(i));
  }
  return all;
}

const RoutedNetworks::Network* RoutedNetworks::around(const Prefix& prefix) const noexcept {
  const auto after =
      std::partition_point(networks_.begin(), networks_.end(),
                           [&](const Network& network) { return network.prefix <= prefix; });
  if (after == networks_.begin()) return nullptr;
  auto index = static_cast<std::uint32_t>(after - networks_.begin() - 1);
  while (index < networks_.size() && !networks_[index].prefix.contains(prefix)) {
    index = networks_[index].around;
  }
  return index < networks_.size() ? &networks_[index] : nullptr;
}

Region RoutedNetworks::region_of(std::uint32_t as) const {
  Region region;
  for (const Network& network : networks_) {
    const bool is_around = network.around < networks_.size() && networks_[network.around].as == as;
    // What its neighbours in turn have around them is the same again.
    if (network.as == as || is_around) region.push_back({network.prefix, network.as == as});
  }
  return region;
}

}  // namespace isochrone::routing
