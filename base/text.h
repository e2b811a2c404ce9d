// SPDX-License-Identifier: Apache-2.0
//
// Text: numbers from and to text, and the nearest of a set of names.
#pragma once

#include <charconv>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace isochrone {

// The whole of `text` as a number: no sign for unsigned types, no spaces, nothing left over.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || at != end) return std::nullopt;
  return value;
}

// ASCII only, as DNS and HTTP header names compare (RFC 4343 section 3).
constexpr char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
std::string to_lower(std::string_view text);

std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);

// The candidate with the smallest edit distance to `text`, when that is at most a third of its
// length (so a typing error is met and a different word is not); empty otherwise.
std::string_view nearest_name(std::string_view text, std::span<const std::string_view> candidates);

}  // namespace isochrone
