// SPDX-License-Identifier: Apache-2.0
#include "base/time.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <limits>

#include "base/text.h"

namespace isochrone {
namespace {

struct Unit {
  std::string_view suffix;
  std::int64_t nanos;
};
// Longest first, so that formatting finds the largest unit that divides exactly.
constexpr std::array kUnits{
    Unit{"d", 86'400'000'000'000},
    Unit{"h", 3'600'000'000'000},
    Unit{"m", 60'000'000'000},
    Unit{"s", 1'000'000'000},
    Unit{"ms", 1'000'000},
    Unit{"us", 1'000},
    Unit{"ns", 1},
};

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return std::nullopt;
  const auto value = parse_number<unsigned>(text.substr(at, count));  // unsigned: no "-1" o'clock
  if (!value) return std::nullopt;
  return static_cast<int>(*value);
}

// The fraction ".123" as nanoseconds; nullopt unless it is one to nine digits.
std::optional<std::int64_t> parse_fraction(std::string_view text) {
  if (text.size() < 2 || text.size() > 10 || text[0] != '.') return std::nullopt;
  auto value = parse_number<std::uint32_t>(text.substr(1));
  if (!value) return std::nullopt;
  std::int64_t nanos = *value;
  for (std::size_t i = text.size() - 1; i < 9; ++i) nanos *= 10;
  return nanos;
}

}  // namespace

std::string format_instant(Instant instant) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(instant);
  const auto micros = std::chrono::duration_cast<Micros>(instant - whole).count();
  const auto seconds = static_cast<std::time_t>(whole.time_since_epoch().count());
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(seconds), micros);
}

std::optional<Instant> parse_instant(std::string_view text) {
  // 2024-05-01T12:00:00[.fraction]Z
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
      text[16] != ':' || text.back() != 'Z') {
    return std::nullopt;
  }
  const auto year = digits(text, 0, 4);
  const auto month = digits(text, 5, 2);
  const auto day = digits(text, 8, 2);
  const auto hour = digits(text, 11, 2);
  const auto minute = digits(text, 14, 2);
  const auto second = digits(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  // An Instant in nanoseconds spans 1678 to 2261; events outside 1970 to 2200 are mistakes.
  if (!date.ok() || *year < 1970 || *year > 2200 || *hour > 23 || *minute > 59 || *second > 59) {
    return std::nullopt;
  }
  std::int64_t nanos = 0;
  if (text.size() > 20) {
    const auto fraction = parse_fraction(text.substr(19, text.size() - 20));
    if (!fraction) return std::nullopt;
    nanos = *fraction;
  }
  return Instant(std::chrono::sys_days(date).time_since_epoch() + std::chrono::hours(*hour) +
                 std::chrono::minutes(*minute) + std::chrono::seconds(*second) + Nanos(nanos));
}

std::optional<Nanos> parse_duration(std::string_view text) {
  const auto end = text.find_first_not_of("0123456789");
  if (end == 0 || end == std::string_view::npos) return std::nullopt;
  const auto count = parse_number<std::int64_t>(text.substr(0, end));
  if (!count) return std::nullopt;
  for (const Unit& unit : kUnits) {
    if (text.substr(end) != unit.suffix) continue;
    if (*count > std::numeric_limits<std::int64_t>::max() / unit.nanos) return std::nullopt;
    return Nanos(*count * unit.nanos);
  }
  return std::nullopt;
}

std::string format_duration(Nanos duration) {
  for (const Unit& unit : kUnits) {
    if (duration.count() != 0 && duration.count() % unit.nanos == 0) {
      return fmt::format("{}{}", duration.count() / unit.nanos, unit.suffix);
    }
  }
  return "0s";
}

}  // namespace isochrone
