// SPDX-License-Identifier: Apache-2.0
#include "app/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace isochrone::app {
namespace {

// What is compared at a glance: "12.3", "4 %", "17s", and the "-" of what is not known.
bool looks_like_a_number(const std::string& cell) {
  return cell == "-" || (!cell.empty() && cell.front() >= '0' && cell.front() <= '9' &&
                         cell.find_first_not_of("0123456789. %smhdu-") == std::string::npos);
}

}  // namespace

std::string Table::text() const {
  auto rows = rows_;
  for (auto& row : rows) {
    row.resize(header_.size());
    for (std::string& cell : row) {
      if (cell.empty()) cell.assign(1, '-');
    }
  }
  std::vector<std::string> lines(rows.size() + 1);
  for (std::size_t column = 0; column < header_.size(); ++column) {
    std::size_t width = header_[column].size();
    bool is_number = !rows.empty();
    for (const auto& row : rows) {
      width = std::max(width, row[column].size());
      is_number = is_number && looks_like_a_number(row[column]);
    }
    for (std::size_t line = 0; line < lines.size(); ++line) {
      const std::string& cell = line == 0 ? header_[column] : rows[line - 1][column];
      const std::size_t gap = column > 0 ? 2 : 0;
      lines[line].append(gap, ' ').append(is_number ? fmt::format("{:>{}}", cell, width)
                                                    : fmt::format("{:<{}}", cell, width));
    }
  }
  std::string text;
  for (std::string& line : lines) {
    line.erase(line.find_last_not_of(' ') + 1);
    text.append(line).push_back('\n');
  }
  return text;
}

}  // namespace isochrone::app
