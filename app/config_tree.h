// SPDX-License-Identifier: Apache-2.0
//
// ConfigNode and Complaints: a configuration file as written, and everything wrong with it.
//
// The tree keeps places and duplicates, which typed values cannot, so that every complaint can name
// its line. Values only; nothing here knows a key.
// Cost:    one node per scalar, list and mapping; the file's size limit bounds them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace isochrone::app {

// Counted from 1, as editors do.
struct Mark {
  int line = 1;
  int column = 1;

  friend auto operator<=>(const Mark&, const Mark&) = default;
};

struct ConfigNode {
  enum class Kind { nothing, scalar, list, map };

  Kind kind = Kind::nothing;
  Mark mark;
  std::string text;  // of a scalar
  std::string key;   // inside a map
  Mark key_mark;
  std::vector<ConfigNode> children;

  const ConfigNode* find(std::string_view name) const {
    for (const ConfigNode& child : children) {
      if (child.key == name) return &child;
    }
    return nullptr;
  }
};

// Everything wrong with one file, gathered so that all of it is reported at once.
class Complaints {
 public:
  explicit Complaints(std::filesystem::path file) : file_(std::move(file)) {}

  void add(Mark mark, std::string what) { all_.emplace_back(mark, std::move(what)); }
  bool empty() const noexcept { return all_.empty(); }
  std::size_t size() const noexcept { return all_.size(); }
  const std::filesystem::path& file() const noexcept { return file_; }

  // FILE:LINE:COLUMN: what, in the order of the file; at most kMostShown and a count of the rest.
  std::vector<Error> errors() const;

 private:
  // More than a screen of errors has one cause, and it is among the first.
  static constexpr std::size_t kMostShown = 100;

  std::filesystem::path file_;
  std::vector<std::pair<Mark, std::string>> all_;
};

}  // namespace isochrone::app
