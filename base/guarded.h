// SPDX-License-Identifier: Apache-2.0
//
// Guarded<T>: data that can be reached only through its lock.
//
// Threads: any. The function given to with() must not call out: no lock is held across an upcall.
#pragma once

#include <mutex>
#include <utility>

namespace isochrone {

template <class T>
class Guarded {
 public:
  Guarded() = default;
  explicit Guarded(T value) : value_(std::move(value)) {}

  template <class F>
  decltype(auto) with(F&& use) {
    const std::lock_guard lock(mutex_);
    return std::forward<F>(use)(value_);
  }
  template <class F>
  decltype(auto) with(F&& use) const {
    const std::lock_guard lock(mutex_);
    return std::forward<F>(use)(value_);
  }

 private:
  mutable std::mutex mutex_;
  T value_{};
};

}  // namespace isochrone
