// SPDX-License-Identifier: Apache-2.0
//
// Published<T>: the current snapshot, swapped by one publisher and read by many workers.
//
// Threads:    publish() and retire() from one thread; a Reader belongs to one thread.
// Cost:       Reader::refresh() is one atomic load when nothing moved; a lock and a copy when it
// did. Ownership:  the publisher keeps what it replaced until nobody else holds it, so that the
// publisher
//             and never a worker pays for freeing it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace isochrone {

template <class T>
class Published {
 public:
  explicit Published(std::shared_ptr<const T> first) : current_(std::move(first)) {}
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;

  void publish(std::shared_ptr<const T> next) {
    {
      const std::lock_guard lock(mutex_);
      std::swap(current_, next);
      generation_.fetch_add(1, std::memory_order_release);
    }
    retired_.push_back(std::move(next));
    retire();
  }

  // Frees replaced snapshots that no reader holds any more. publish() does it too.
  void retire() {
    std::erase_if(retired_, [](const auto& old) { return old.use_count() == 1; });
  }

  std::shared_ptr<const T> current() const {
    const std::lock_guard lock(mutex_);
    return current_;
  }

  class Reader {
   public:
    explicit Reader(const Published& published)
        : published_(published),
          generation_(published.generation_.load(std::memory_order_acquire)),
          current_(published.current()) {}

    // The current snapshot; valid until the next refresh(). Call once per batch.
    const T& refresh() {
      const auto generation = published_.generation_.load(std::memory_order_acquire);
      if (generation != generation_) {
        current_ = published_.current();
        generation_ = generation;
      }
      return *current_;
    }
    const T& get() const noexcept { return *current_; }
    const std::shared_ptr<const T>& shared() const noexcept { return current_; }

   private:
    const Published& published_;
    std::uint64_t generation_;
    std::shared_ptr<const T> current_;
  };

 private:
  mutable std::mutex mutex_;
  std::atomic<std::uint64_t> generation_{0};
  std::shared_ptr<const T> current_;
  std::vector<std::shared_ptr<const T>> retired_;  // owned by the publishing thread
};

}  // namespace isochrone
