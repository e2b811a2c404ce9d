// SPDX-License-Identifier: Apache-2.0
//
// Preloaded into a program, this makes its wall clock differ from ours by as many seconds as a file says,
// from one moment to the next; other clocks stay. Who waits until a moment of that clock is woken by ours.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace {

using Shift = std::atomic<std::int64_t>;

const Shift* map_shift() {
  const char* name = std::getenv("ISOCHRONE_CLOCK_SHIFT");
  const int file = name == nullptr ? -1 : ::open(name, O_RDONLY | O_CLOEXEC);
  if (file < 0) return nullptr;
  void* memory = ::mmap(nullptr, sizeof(Shift), PROT_READ, MAP_SHARED, file, 0);
  ::close(file);
  return memory == MAP_FAILED ? nullptr : static_cast<const Shift*>(memory);
}

std::int64_t shift() {
  static const Shift* const seconds = map_shift();
  return seconds == nullptr ? 0 : seconds->load(std::memory_order_relaxed);
}

// Moments of the monotonic clock, which conditions may wait by as well, are far before this one.
constexpr std::int64_t kEarliest = 1'000'000'000;

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) {
  const auto failed = static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
  if (failed == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    time->tv_sec += shift();
  }
  return failed;
}

int gettimeofday(timeval* time, void*) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1'000;
  return 0;
}

time_t time(time_t* to) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (to != nullptr) *to = now.tv_sec;
  return now.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                           const timespec* until) {
  using Wait = int (*)(pthread_cond_t*, pthread_mutex_t*, const timespec*);
  static const auto wait = reinterpret_cast<Wait>(::dlsym(RTLD_NEXT, "pthread_cond_timedwait"));
  timespec ours = *until;
  if (ours.tv_sec > kEarliest) ours.tv_sec -= shift();
  return wait(condition, mutex, &ours);
}

}  // extern "C"
