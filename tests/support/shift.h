// SPDX-License-Identifier: Apache-2.0
//
// Shift: how far the wall clock of a program that a test runs is from ours, from one moment to the next.
//
// Threads: set() and now() from any; the program sees a change at its next look (shifted_clock.cc).
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "base/fd.h"
#include "tests/support/preload.h"

namespace isochrone::test {

class Shift {
 public:
  explicit Shift(std::string file) : file_(std::move(file)) {
    const Fd fd(::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    EXPECT_EQ(::ftruncate(fd.get(), sizeof(std::int64_t)), 0);
    void* memory =
        ::mmap(nullptr, sizeof(std::int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    EXPECT_NE(memory, MAP_FAILED);
    seconds_ = static_cast<std::atomic<std::int64_t>*>(memory);
  }
  ~Shift() { ::munmap(seconds_, sizeof(std::int64_t)); }
  Shift(const Shift&) = delete;
  Shift& operator=(const Shift&) = delete;

  void set(std::int64_t seconds) { seconds_->store(seconds); }
  std::int64_t seconds() const { return seconds_->load(); }
  // The program's time, in Unix seconds.
  std::int64_t now() const {
    const auto ours = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::seconds>(ours).count() + seconds();
  }
  // For the child; `library` is the shifted clock.
  void preload(const std::string& library) const {
    ::setenv("ISOCHRONE_CLOCK_SHIFT", file_.c_str(), 1);
    test::preload(library);
  }

 private:
  std::string file_;
  std::atomic<std::int64_t>* seconds_ = nullptr;
};

}  // namespace isochrone::test
