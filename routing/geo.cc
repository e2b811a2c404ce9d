// SPDX-License-Identifier: Apache-2.0
//
// Reading a MaxMind database into networks with a location or a country; the only door to libmaxminddb.
#include "routing/geo.h"

#include <maxminddb.h>

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace isochrone::routing {
namespace {

// IPv4 lives under ::/96 in a tree of IPv6.
constexpr int kV4Depth = 96;

struct HashOfPair {
  std::size_t operator()(const std::pair<double, double>& pair) const noexcept {
    return hash_bits(std::bit_cast<std::uint64_t>(pair.first),
                     std::bit_cast<std::uint64_t>(pair.second));
  }
};

struct CloseDatabase {
  void operator()(MMDB_s* database) const {
    MMDB_close(database);
    delete database;
  }
};
using Database = std::unique_ptr<MMDB_s, CloseDatabase>;

Result<Database> open_database(const std::filesystem::path& file) {
  auto raw = std::make_unique<MMDB_s>();
  const int status = MMDB_open(file.c_str(), MMDB_MODE_MMAP, raw.get());
  if (status != MMDB_SUCCESS) {
    return fail(status == MMDB_FILE_OPEN_ERROR ? Errc::io : Errc::invalid,
                file.string() + ": " + MMDB_strerror(status) + "; a MaxMind database is needed");
  }
  return Database(raw.release());
}

// Gives the data of each network of a database.
class Walk {
 public:
  // False when the data is corrupt.
  using Take = std::function<bool(const MMDB_entry_s& entry, const Prefix& network)>;

  Walk(MMDB_s& database, Take take) : database_(database), take_(std::move(take)) {}

  std::optional<Error> run() {
    // A sound tree is visited once per node; aliases of the IPv4 part are cut off.
    visits_left_ = std::uint64_t{database_.metadata.node_count} + 1;
    if (!visit(0, 0)) return Error(Errc::invalid, error_);
    return std::nullopt;
  }

 private:
  bool is_v4_tree() const { return database_.metadata.ip_version == 4; }
  int depth_limit() const { return is_v4_tree() ? 32 : 128; }

  bool broken(std::string what) {
    error_ = std::move(what);
    return false;
  }

  bool visit(std::uint32_t node_number, int depth) {
    if (visits_left_-- == 0) return broken("the search tree visits nodes twice");
    MMDB_search_node_s node{};
    if (MMDB_read_node(&database_, node_number, &node) != MMDB_SUCCESS) {
      return broken("the search tree points outside itself");
    }
    if (depth >= depth_limit()) return broken("the search tree is deeper than an address is long");
    return branch(node.left_record_type, node.left_record, node.left_record_entry, depth) &&
           branch_right(node, depth);
  }

  bool branch_right(const MMDB_search_node_s& node, int depth) {
    set_bit(depth, true);
    const bool ok =
        branch(node.right_record_type, node.right_record, node.right_record_entry, depth);
    set_bit(depth, false);
    return ok;
  }

  bool branch(std::uint8_t type, std::uint64_t record, MMDB_entry_s entry, int depth) {
    switch (type) {
      case MMDB_RECORD_TYPE_SEARCH_NODE: {
        const auto next = static_cast<std::uint32_t>(record);
        return is_alias(next, depth + 1) || visit(next, depth + 1);
      }
      case MMDB_RECORD_TYPE_EMPTY:
        return true;
      case MMDB_RECORD_TYPE_DATA:
        return take(entry, depth + 1);
      default:
        return broken("the search tree has an invalid record");
    }
  }

  // 2002::/16, ::ffff:0:0/96 and others lead to the same nodes as ::/96: read there only.
  bool is_alias(std::uint32_t node, int depth) const {
    const bool is_v4_start = !is_v4_tree() && database_.ipv4_start_node.netmask == kV4Depth &&
                             node == database_.ipv4_start_node.node_value;
    return is_v4_start && !(depth == kV4Depth && high_ == 0 && low_ == 0);
  }

  bool take(const MMDB_entry_s& entry, int length) {
    const Prefix network = prefix(length);
    return take_(entry, network) || broken("the data of " + network.to_string() + " is corrupt");
  }

  Prefix prefix(int length) const {
    if (is_v4_tree()) return {Address::from_bits(Family::v4, high_, 0), length};
    const bool is_v4 = length >= kV4Depth && high_ == 0 && low_ >> 32 == 0;
    if (is_v4) return {Address::from_bits(Family::v4, low_ << 32, 0), length - kV4Depth};
    return {Address::from_bits(Family::v6, high_, low_), length};
  }

  void set_bit(int depth, bool value) {
    std::uint64_t& word = depth < 64 ? high_ : low_;
    const std::uint64_t bit = std::uint64_t{1} << (63 - depth % 64);
    word = value ? word | bit : word & ~bit;
  }

  MMDB_s& database_;
  Take take_;
  std::uint64_t visits_left_ = 0;
  std::uint64_t high_ = 0;
  std::uint64_t low_ = 0;
  std::string error_;
};

// False when the data cannot be read; a value that is absent or no number stays empty.
bool read_number(MMDB_entry_s entry, const char* const* path, std::optional<double>& value) {
  MMDB_entry_data_s data{};
  const int status = MMDB_aget_value(&entry, &data, path);
  if (status != MMDB_SUCCESS) return status == MMDB_LOOKUP_PATH_DOES_NOT_MATCH_DATA_ERROR;
  if (data.has_data && data.type == MMDB_DATA_TYPE_DOUBLE) value = data.double_value;
  if (data.has_data && data.type == MMDB_DATA_TYPE_FLOAT) {
    value = static_cast<double>(data.float_value);
  }
  return true;
}

bool read_location(MMDB_entry_s entry, std::optional<Location>& location) {
  constexpr const char* kPaths[][4] = {{"location", "latitude", nullptr},
                                       {"location", "longitude", nullptr},
                                       {"latitude", nullptr},
                                       {"longitude", nullptr}};
  std::array<std::optional<double>, 4> values;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!read_number(entry, kPaths[i], values[i])) return false;
  }
  const auto latitude = values[0] ? values[0] : values[2];
  const auto longitude = values[1] ? values[1] : values[3];
  // Written so that a NaN is refused too.
  const bool is_usable = latitude && longitude && *latitude >= -90 && *latitude <= 90 &&
                         *longitude >= -180 && *longitude <= 180;
  if (is_usable) location = Location{*latitude, *longitude};
  return true;
}

// ISO 3166-1 alpha-2, where MaxMind's Country and City layouts have it, or at the top level.
bool read_country(MMDB_entry_s entry, std::string& code) {
  constexpr const char* kPaths[][3] = {{"country", "iso_code", nullptr}, {"country_code", nullptr}};
  for (const auto* path : kPaths) {
    MMDB_entry_data_s data{};
    const int status = MMDB_aget_value(&entry, &data, path);
    if (status == MMDB_LOOKUP_PATH_DOES_NOT_MATCH_DATA_ERROR) continue;
    if (status != MMDB_SUCCESS) return false;
    if (!data.has_data || data.type != MMDB_DATA_TYPE_UTF8_STRING) continue;
    code.assign(data.utf8_string, std::min<std::size_t>(data.data_size, 2));
    return true;
  }
  return true;
}

}  // namespace

Result<GeoPrior> GeoPrior::load(const std::filesystem::path& file) {
  auto database = open_database(file);
  if (!database) return tl::unexpected(database.error());
  std::unordered_map<std::uint32_t, std::optional<Location>> locations;  // by data offset
  std::vector<GeoNetwork> networks;
  std::size_t skipped = 0;
  Walk walk(**database, [&](const MMDB_entry_s& entry, const Prefix& network) {
    const auto [known, is_new] = locations.try_emplace(entry.offset);
    if (is_new && !read_location(entry, known->second)) return false;
    if (known->second) {
      networks.push_back({network, *known->second});
    } else {
      ++skipped;
    }
    return true;
  });
  if (const auto error = walk.run()) return tl::unexpected(error->within(file.string()));
  if (networks.empty()) {
    return fail(
        Errc::invalid,
        file.string() + ": no record has a latitude and longitude; a City database has them");
  }
  GeoPrior prior = from(std::move(networks));
  prior.skipped_ = skipped;
  return prior;
}

Result<std::vector<CountryNetwork>> load_countries(const std::filesystem::path& file) {
  auto database = open_database(file);
  if (!database) return tl::unexpected(database.error());
  std::unordered_map<std::uint32_t, std::string> codes;  // by data offset
  std::vector<CountryNetwork> networks;
  Walk walk(**database, [&](const MMDB_entry_s& entry, const Prefix& network) {
    const auto [known, is_new] = codes.try_emplace(entry.offset);
    if (is_new && !read_country(entry, known->second)) return false;
    if (known->second.size() == 2)
      networks.push_back({network, {known->second[0], known->second[1]}});
    return true;
  });
  if (const auto error = walk.run()) return tl::unexpected(error->within(file.string()));
  if (networks.empty()) {
    return fail(Errc::invalid,
                file.string() + ": no record has a country; a Country or City database has them");
  }
  return networks;
}

GeoPrior GeoPrior::from(std::vector<GeoNetwork> networks) {
  std::stable_sort(networks.begin(), networks.end(),
                   [](const GeoNetwork& a, const GeoNetwork& b) { return a.prefix < b.prefix; });
  GeoPrior prior;
  prior.networks_.reserve(networks.size());
  std::unordered_map<std::pair<double, double>, std::uint32_t, HashOfPair> known;
  std::vector<std::uint32_t> open;  // the networks around the current place, the innermost last
  for (std::size_t i = 0; i < networks.size(); ++i) {
    const auto& [prefix, location] = networks[i];
    if (i + 1 < networks.size() && networks[i + 1].prefix == prefix) continue;
    const auto [at, is_new] = known.try_emplace({location.latitude, location.longitude},
                                                static_cast<std::uint32_t>(known.size()));
    if (is_new) prior.locations_.push_back(location);
    while (!open.empty() && !prior.networks_[open.back()].prefix.contains(prefix)) open.pop_back();
    const std::uint32_t around = open.empty() ? kNone : open.back();
    open.push_back(static_cast<std::uint32_t>(prior.networks_.size()));
    prior.networks_.push_back({prefix, at->second, around});
  }
  return prior;
}

const GeoPrior::Network* GeoPrior::find(const Address& address) const noexcept {
  const auto after = std::upper_bound(
      networks_.begin(), networks_.end(), Prefix(address, address.width()),
      [](const Prefix& sought, const Network& network) { return sought < network.prefix; });
  if (after == networks_.begin()) return nullptr;
  // What starts last before the address contains it, or lies with it in what does.
  auto index = static_cast<std::uint32_t>(after - networks_.begin() - 1);
  while (index != kNone && !networks_[index].prefix.contains(address)) {
    index = networks_[index].around;
  }
  return index == kNone ? nullptr : &networks_[index];
}

}  // namespace isochrone::routing
