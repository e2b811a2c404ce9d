// SPDX-License-Identifier: Apache-2.0
//
// Coordinates of the nodes of a data set: one "latitude,longitude" per line, in degrees.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace isochrone::lab {

struct Coordinates {
  double latitude = 0;   // -90..90, north positive
  double longitude = 0;  // -180..180, east positive
};

// Errors read FILE:LINE: what, and what to do. Gzip is accepted; empty lines are skipped.
Result<std::vector<Coordinates>> read_coordinates(const std::filesystem::path& file);
// `name` stands for the file in errors.
Result<std::vector<Coordinates>> parse_coordinates(std::string_view text, std::string_view name);

}  // namespace isochrone::lab
