// SPDX-License-Identifier: Apache-2.0
#include "lab/matrix.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <string>

#include "lab/text_file.h"

namespace isochrone::lab {
namespace {

constexpr std::string_view kSpace = " \t\r";

std::int64_t micros_in(RttUnit unit) {
  return unit == RttUnit::us ? 1 : unit == RttUnit::ms ? 1'000 : 1'000'000;
}

std::string_view name_of(RttUnit unit) {
  return unit == RttUnit::us ? "microseconds" : unit == RttUnit::ms ? "milliseconds" : "seconds";
}

// One value in microseconds, -1 where missing; empty when the text is no such thing.
std::optional<std::int32_t> parse_value(std::string_view text, RttUnit unit) {
  double value = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || at != text.data() + text.size()) return std::nullopt;
  if (std::isnan(value) || value < 0) return -1;
  const double micros = value * static_cast<double>(micros_in(unit));
  if (micros > static_cast<double>(kMaxRtt.count())) return std::nullopt;
  return static_cast<std::int32_t>(std::lround(micros));
}

Result<void> parse_row(std::string_view line, std::string_view where, RttUnit unit,
                       std::vector<std::int32_t>& values) {
  std::size_t at = line.find_first_not_of(kSpace);
  while (at != std::string_view::npos) {
    const std::size_t end = std::min(line.find_first_of(kSpace, at), line.size());
    const std::string_view word = line.substr(at, end - at);
    const auto value = parse_value(word, unit);
    if (!value) {
      return fail(Errc::invalid,
                  fmt::format("{}:{}: '{}' is no round-trip time; expected {} from 0 to {}, or nan",
                              where, at + 1, word.substr(0, 40), name_of(unit),
                              kMaxRtt.count() / micros_in(unit)));
    }
    values.push_back(*value);
    at = line.find_first_not_of(kSpace, end);
  }
  return {};
}

}  // namespace

Result<RttMatrix> RttMatrix::parse(std::string_view text, std::string_view name, RttUnit unit) {
  RttMatrix matrix;
  std::size_t line_number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line_number;
    const std::size_t before = matrix.values_.size();
    const std::string where = fmt::format("{}:{}", name, line_number);
    if (auto row = parse_row(line, where, unit, matrix.values_); !row) {
      return tl::unexpected(row.error());
    }
    const std::size_t count = matrix.values_.size() - before;
    if (count == 0) continue;
    if (matrix.columns_ == 0) matrix.columns_ = count;
    if (count != matrix.columns_) {
      return fail(Errc::invalid,
                  fmt::format("{}:{}: {} values, but the first row has {}; every row needs as many",
                              where, line.size(), count, matrix.columns_));
    }
  }
  if (matrix.columns_ == 0) {
    return fail(Errc::invalid, fmt::format("{}:1:1: no values; expected one row of {} per line",
                                           name, name_of(unit)));
  }
  return matrix;
}

Result<RttMatrix> RttMatrix::read(const std::filesystem::path& file, RttUnit unit) {
  auto text = read_text(file);
  if (!text) return tl::unexpected(text.error());
  return parse(*text, file.string(), unit);
}

}  // namespace isochrone::lab
