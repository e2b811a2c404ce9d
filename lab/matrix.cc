// SPDX-License-Identifier: Apache-2.0
#include "lab/matrix.h"

#include <fmt/format.h>
#include <zlib.h>

#include <array>
#include <charconv>
#include <cmath>
#include <memory>
#include <string>

namespace isochrone::lab {
namespace {

constexpr std::string_view kSpace = " \t\r";

struct CloseGzip {
  void operator()(gzFile file) const { gzclose(file); }
};
using GzipFile = std::unique_ptr<gzFile_s, CloseGzip>;

// The whole file, decompressed when it is gzip (zlib reads other files as they are).
Result<std::string> read_text(const std::filesystem::path& file) {
  errno = 0;
  const GzipFile opened(gzopen(file.c_str(), "rb"));
  if (!opened) return fail_errno("cannot open " + file.string(), errno);
  std::string text;
  std::array<char, 1 << 16> block{};
  while (true) {
    const int count = gzread(opened.get(), block.data(), static_cast<unsigned>(block.size()));
    if (count < 0) {
      int code = 0;
      const char* reason = gzerror(opened.get(), &code);
      return fail(Errc::io, fmt::format("cannot read {}: {}", file.string(), reason));
    }
    if (count == 0) break;
    text.append(block.data(), static_cast<std::size_t>(count));
    if (text.size() > kMaxMatrixBytes) {
      return fail(Errc::limit, fmt::format("{} has more than {} MiB of text; split it into slices",
                                           file.string(), kMaxMatrixBytes >> 20));
    }
  }
  // A truncated gzip file ends without an error from gzread; gzerror knows.
  int code = 0;
  const char* reason = gzerror(opened.get(), &code);
  if (code != Z_OK) {
    return fail(Errc::io, fmt::format("cannot read {}: {}", file.string(), reason));
  }
  return text;
}

// One value in microseconds, -1 where missing; empty when the text is no such thing.
std::optional<std::int32_t> parse_value(std::string_view text) {
  double milliseconds = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), milliseconds);
  if (error != std::errc() || at != text.data() + text.size()) return std::nullopt;
  if (std::isnan(milliseconds) || milliseconds < 0) return -1;
  constexpr double kMaxMilliseconds = static_cast<double>(kMaxRtt.count()) / 1000;
  if (milliseconds > kMaxMilliseconds) return std::nullopt;
  return static_cast<std::int32_t>(std::lround(milliseconds * 1000));
}

Result<void> parse_row(std::string_view line, std::string_view where,
                       std::vector<std::int32_t>& values) {
  std::size_t at = line.find_first_not_of(kSpace);
  while (at != std::string_view::npos) {
    const std::size_t end = std::min(line.find_first_of(kSpace, at), line.size());
    const std::string_view word = line.substr(at, end - at);
    const auto value = parse_value(word);
    if (!value) {
      return fail(Errc::invalid,
                  fmt::format("{}:{}: '{}' is no round-trip time; expected milliseconds from 0 to "
                              "{}, or nan",
                              where, at + 1, word.substr(0, 40), kMaxRtt.count() / 1000));
    }
    values.push_back(*value);
    at = line.find_first_not_of(kSpace, end);
  }
  return {};
}

}  // namespace

Result<RttMatrix> RttMatrix::parse(std::string_view text, std::string_view name) {
  RttMatrix matrix;
  std::size_t line_number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line_number;
    const std::size_t before = matrix.values_.size();
    const std::string where = fmt::format("{}:{}", name, line_number);
    if (auto row = parse_row(line, where, matrix.values_); !row) {
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
    return fail(Errc::invalid, fmt::format("{}:1:1: no values; expected one row of milliseconds "
                                           "per line",
                                           name));
  }
  return matrix;
}

Result<RttMatrix> RttMatrix::read(const std::filesystem::path& file) {
  auto text = read_text(file);
  if (!text) return tl::unexpected(text.error());
  return parse(*text, file.string());
}

}  // namespace isochrone::lab
