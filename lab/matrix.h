// SPDX-License-Identifier: Apache-2.0
//
// RttMatrix: measured round-trip times between the nodes of a data set, read from a text file.
//
// Form:    one row per line, white-space separated decimals, gzip accepted; "nan" or a negative number
//          where nothing was measured; empty lines are skipped.
// Units:   Micros; the file's is given, milliseconds when not; what is finer is rounded.
// Limits:  kMaxTextBytes (lab/text_file) and kMaxRtt per value; every row as long as the first.
// Threads: immutable once read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace isochrone::lab {

enum class RttUnit : std::uint8_t { us, ms, s };

// A minute is beyond any time-out of a resolver or prober: such a value is a wrong unit.
constexpr Micros kMaxRtt{60'000'000};

class RttMatrix {
 public:
  // Errors read FILE:LINE:COLUMN: what, and what to do.
  static Result<RttMatrix> read(const std::filesystem::path& file, RttUnit unit = RttUnit::ms);
  // `name` stands for the file in errors.
  static Result<RttMatrix> parse(std::string_view text, std::string_view name,
                                 RttUnit unit = RttUnit::ms);

  std::size_t rows() const noexcept { return columns_ == 0 ? 0 : values_.size() / columns_; }
  std::size_t columns() const noexcept { return columns_; }
  // Empty where nothing was measured.
  std::optional<Micros> rtt(std::size_t row, std::size_t column) const noexcept {
    const std::int32_t value = values_[row * columns_ + column];
    if (value < 0) return std::nullopt;
    return Micros(value);
  }

 private:
  std::vector<std::int32_t> values_;  // microseconds, row by row; -1 where missing
  std::size_t columns_ = 0;
};

}  // namespace isochrone::lab
