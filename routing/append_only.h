// SPDX-License-Identifier: Apache-2.0
//
// AppendOnly<T>: an array that grows at its end, and whose copies share what was there.
//
// Threads:    one value appends, in one thread; copies of it are read by any and never appended to.
//             What a copy can see is not written again: new elements lie past its end.
// Cost:       copying is O(1); appending O(1) on average, with a copy when the room is used up.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>

namespace isochrone::routing {

template <class T>
class AppendOnly {
 public:
  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }
  const T* data() const noexcept { return elements_.get(); }
  const T& operator[](std::size_t index) const noexcept { return elements_.get()[index]; }

  void append(const T& element) { append(std::span(&element, 1)); }
  void append(std::span<const T> more) {
    if (size_ + more.size() > capacity_) grow(size_ + more.size());
    std::copy(more.begin(), more.end(), elements_.get() + size_);
    size_ += more.size();
  }

 private:
  void grow(std::size_t least) {
    const std::size_t capacity = std::max({least, 2 * capacity_, std::size_t{16}});
    auto larger = std::make_shared<T[]>(capacity);
    std::copy_n(elements_.get(), size_, larger.get());
    elements_ = std::move(larger);
    capacity_ = capacity;
  }

  std::shared_ptr<T[]> elements_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace isochrone::routing
