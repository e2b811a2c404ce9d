// SPDX-License-Identifier: Apache-2.0
//
// Strong<Tag, T>: a number that does not mix with other numbers.
#pragma once

#include <compare>
#include <cstddef>
#include <functional>

namespace isochrone {

template <class Tag, class T>
class Strong {
 public:
  constexpr Strong() = default;
  constexpr explicit Strong(T value) : value_(value) {}

  constexpr T value() const noexcept { return value_; }
  constexpr std::size_t index() const noexcept { return static_cast<std::size_t>(value_); }

  friend constexpr auto operator<=>(Strong, Strong) = default;

 private:
  T value_{};
};

}  // namespace isochrone

template <class Tag, class T>
struct std::hash<isochrone::Strong<Tag, T>> {
  std::size_t operator()(isochrone::Strong<Tag, T> id) const noexcept {
    return std::hash<T>{}(id.value());
  }
};
