// SPDX-License-Identifier: Apache-2.0
//
// Table: rows of text in columns, for people.
#pragma once

#include <string>
#include <vector>

namespace isochrone::app {

class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}

  // As many cells as the header has; an empty cell shows as "-".
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  // Columns two spaces apart; those that hold nothing but numbers to the right. Ends each line.
  std::string text() const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace isochrone::app
