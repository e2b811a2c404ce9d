// SPDX-License-Identifier: Apache-2.0
#include "app/render.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <vector>

#include "app/table.h"

namespace isochrone::app {
namespace {

using Json = nlohmann::ordered_json;

// What a reader looks for first; everything else follows in the order of the JSON.
constexpr std::array<std::string_view, 24> kFirst{
    "address",  "prefix", "service",    "channel", "task",      "site",          "status",
    "up",       "named",  "reason",     "basis",   "scope",     "ttl_s",         "ranking",
    "score_us", "p50_us", "min_us",     "p90_us",  "jitter_us", "loss_permille", "samples",
    "method",   "age_s",  "distance_km"};

struct Cell {
  std::size_t rank;
  std::string heading;
  std::string text;
};

bool is_before(const Cell& a, const Cell& b) { return a.rank < b.rank; }

bool is_table(const Json& value) {
  return value.is_array() && !value.empty() &&
         std::all_of(value.begin(), value.end(), [](const Json& item) { return item.is_object(); });
}

std::string text_of(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return fmt::format("{:.6g}", value.get<double>());
  if (!value.is_array()) return value.dump();
  // Of a list of objects inside a row, their names; a table in a table is for --json.
  std::string list;
  for (const Json& item : value) {
    const Json* name = &item;
    for (const char* key : {"site", "service", "name"}) {
      if (item.is_object() && item.contains(key)) {
        name = &item[key];
        break;
      }
    }
    list += (list.empty() ? "" : " ") + text_of(*name);
  }
  return list;
}

// "p50_us": 1500 -> {"p50 ms", "1.5"}.
Cell cell_of(std::string_view key, const Json& value) {
  const auto known = std::find(kFirst.begin(), kFirst.end(), key);
  const auto rank = static_cast<std::size_t>(known - kFirst.begin());
  const auto scaled = [&](std::string_view suffix, std::string_view unit, double per) {
    const std::string_view name = key.substr(0, key.size() - suffix.size());
    std::string text;
    if (value.is_number()) text = fmt::format("{:.1f}", value.get<double>() / per);
    return Cell{rank, fmt::format("{} {}", name, unit), std::move(text)};
  };
  Cell cell;
  if (key.ends_with("_us")) {
    cell = scaled("_us", "ms", 1'000);
  } else if (key.ends_with("_permille")) {
    cell = scaled("_permille", "%", 10);
  } else if (key.ends_with("_s") && value.is_number_float()) {
    cell = scaled("_s", "s", 1);
  } else {
    cell = {rank, std::string(key), text_of(value)};
  }
  std::replace(cell.heading.begin(), cell.heading.end(), '_', ' ');
  return cell;
}

// The scalars of an object, those of the objects inside it too: an estimate is columns, not a cell.
void flatten(const Json& object, std::vector<Cell>& cells) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_object()) {
      flatten(value, cells);
    } else {
      cells.push_back(cell_of(key, value));
    }
  }
}

std::string table_of(const Json& rows) {
  std::vector<Cell> columns;  // without text
  std::vector<std::vector<Cell>> all;
  const auto is_of = [](std::string_view heading) {
    return [heading](const Cell& cell) { return cell.heading == heading; };
  };
  for (const Json& row : rows) {
    flatten(row, all.emplace_back());
    for (const Cell& cell : all.back()) {
      if (std::none_of(columns.begin(), columns.end(), is_of(cell.heading))) {
        columns.push_back({cell.rank, cell.heading, {}});
      }
    }
  }
  std::stable_sort(columns.begin(), columns.end(), is_before);
  std::vector<std::string> headings;
  for (const Cell& column : columns) headings.push_back(column.heading);
  Table table(headings);
  for (const auto& cells : all) {
    std::vector<std::string> row;
    for (const std::string& heading : headings) {
      const auto cell = std::find_if(cells.begin(), cells.end(), is_of(heading));
      row.push_back(cell == cells.end() ? std::string() : cell->text);
    }
    table.add(std::move(row));
  }
  return table.text();
}

std::string render_value(const Json& value, const std::string& indent);

std::string render_object(const Json& object, const std::string& indent) {
  std::vector<Cell> facts;
  std::string rest;
  for (const auto& [key, value] : object.items()) {
    if (value.is_object()) {
      rest += fmt::format("{}{}\n{}", indent, key, render_value(value, indent + "  "));
    } else if (is_table(value)) {
      rest += fmt::format("\n{}\n{}", key, render_value(value, ""));
    } else {
      facts.push_back(cell_of(key, value));
    }
  }
  std::stable_sort(facts.begin(), facts.end(), is_before);
  std::string text;
  for (const Cell& fact : facts) {
    text += fmt::format("{}{}: {}\n", indent, fact.heading, fact.text.empty() ? "-" : fact.text);
  }
  return text + rest;
}

std::string render_value(const Json& value, const std::string& indent) {
  if (value.is_object()) return render_object(value, indent);
  if (!is_table(value)) return text_of(value) + "\n";
  const bool is_nested = std::any_of(value.begin(), value.end(), [](const Json& item) {
    return std::any_of(item.begin(), item.end(), is_table);
  });
  if (!is_nested) return table_of(value);
  std::string text;
  for (const Json& item : value) text += (text.empty() ? "" : "\n") + render_object(item, indent);
  return text;
}

}  // namespace

Result<std::string> render(std::string_view json) {
  const Json value = Json::parse(json, nullptr, false);
  if (value.is_discarded()) return fail(Errc::invalid, "the collector's answer is not JSON");
  return render_value(value, "");
}

}  // namespace isochrone::app
