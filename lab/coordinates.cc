// SPDX-License-Identifier: Apache-2.0
#include "lab/coordinates.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "base/text.h"
#include "lab/text_file.h"

namespace isochrone::lab {
namespace {

std::optional<double> degrees(std::string_view text, double most) {
  const auto value = parse_number<double>(trim(text));
  if (!value || !(std::abs(*value) <= most)) return std::nullopt;
  return value;
}

std::optional<Coordinates> parse_line(std::string_view line) {
  const auto fields = split(line, ',');
  if (fields.size() != 2) return std::nullopt;
  const auto latitude = degrees(fields[0], 90);
  const auto longitude = degrees(fields[1], 180);
  if (!latitude || !longitude) return std::nullopt;
  return Coordinates{*latitude, *longitude};
}

}  // namespace

Result<std::vector<Coordinates>> parse_coordinates(std::string_view text, std::string_view name) {
  std::vector<Coordinates> found;
  std::size_t number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    const auto coordinates = parse_line(line);
    if (!coordinates) {
      return fail(
          Errc::invalid,
          fmt::format("{}:{}: '{}' is no place; expected LATITUDE,LONGITUDE in degrees, as in "
                      "50.11,8.68",
                      name, number, trim(line).substr(0, 40)));
    }
    found.push_back(*coordinates);
  }
  return found;
}

Result<std::vector<Coordinates>> read_coordinates(const std::filesystem::path& file) {
  const auto text = read_text(file);
  if (!text) return tl::unexpected(text.error());
  return parse_coordinates(*text, file.string());
}

}  // namespace isochrone::lab
