// SPDX-License-Identifier: Apache-2.0
//
// Section: one mapping of the configuration, read through the rows of config_schema.
//
// Making one complains about unknown, duplicate and missing keys; reading a key complains about its
// value. An absent key gives the row's fallback; a wrong one gives nothing, and the caller goes on so
// that all complaints are gathered.
// Ownership: borrows tree and complaints; both outlive it.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "app/config_schema.h"
#include "app/config_tree.h"

namespace isochrone::app {

template <class T>
struct Item {
  T value;
  Mark mark;
};

class Section {
 public:
  // `node` may be null: the section is absent. `path` is the section's in the schema.
  Section(const ConfigNode* node, std::string path, Complaints& complaints);

  bool is_present() const noexcept { return node_ != nullptr; }
  bool has(std::string_view name) const { return child(name) != nullptr; }
  // There, but without an item.
  bool is_empty_list(std::string_view name) const;
  // Where to point at when something about this section or key is wrong.
  Mark mark() const;
  Mark mark_of(std::string_view name) const;

  template <class T>
  std::optional<T> one(std::string_view name) const {
    auto items = read(name);
    if (items.size() != 1) return std::nullopt;
    return std::get<T>(std::move(items.front().value));
  }
  template <class T>
  std::vector<Item<T>> many(std::string_view name) const {
    std::vector<Item<T>> items;
    for (auto& [value, mark] : read(name)) items.push_back({std::get<T>(std::move(value)), mark});
    return items;
  }
  // A path, relative to the folder of the configuration.
  std::filesystem::path path(std::string_view name) const;
  // Likewise of a file that has to be there and readable.
  std::filesystem::path file(std::string_view name) const;

  Section section(std::string_view name) const;
  std::vector<Section> sections(std::string_view name) const;

  void complain(Mark mark, std::string what) const { complaints_->add(mark, std::move(what)); }

 private:
  const ConfigNode* child(std::string_view name) const;
  std::string path_of(std::string_view name) const;
  void check_keys() const;
  void complain_unknown(const ConfigNode& child) const;
  std::vector<Item<ConfigValue>> read(std::string_view name) const;
  void read_scalar(const Key& key, const ConfigNode& node,
                   std::vector<Item<ConfigValue>>& to) const;

  const ConfigNode* node_;
  std::string path_;
  Complaints* complaints_;
};

// Names of one kind that must differ.
class Unique {
 public:
  Unique(std::string what, const Section& section) : what_(std::move(what)), section_(section) {}
  // Complains when `name` was there before.
  void check(const std::string& name, Mark mark);
  bool empty() const noexcept { return seen_.empty(); }

 private:
  std::string what_;
  const Section& section_;
  std::map<std::string, Mark> seen_;
};

// ` (did you mean "fra"?)`, or nothing when no candidate is near.
std::string did_you_mean(std::string_view text, std::span<const std::string_view> candidates);

}  // namespace isochrone::app
