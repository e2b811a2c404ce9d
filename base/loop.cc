// SPDX-License-Identifier: Apache-2.0
#include "base/loop.h"

#include <uv.h>

#include <cstdlib>
#include <utility>

namespace isochrone {
namespace {

// libuv reports only what our own use could cause (out of memory, descriptors at start): no caller
// could go on, so the process ends.
void must(int status) {
  if (status < 0) std::abort();
}

// Closes a handle and frees its holder once libuv has let go of it.
template <class Holder>
void close_and_delete(Holder* holder) {
  auto* handle = reinterpret_cast<uv_handle_t*>(&holder->handle);
  handle->data = holder;
  uv_close(handle, [](uv_handle_t* closed) { delete static_cast<Holder*>(closed->data); });
}

}  // namespace

struct Loop::Impl {
  uv_loop_t loop;
  uv_async_t stop;
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {
  must(uv_loop_init(&impl_->loop));
  must(uv_async_init(&impl_->loop, &impl_->stop, [](uv_async_t* async) { uv_stop(async->loop); }));
  // Does not keep run() alive by itself.
  uv_unref(reinterpret_cast<uv_handle_t*>(&impl_->stop));
}

Loop::~Loop() {
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->stop), nullptr);
  uv_run(&impl_->loop, UV_RUN_DEFAULT);  // lets pending close callbacks free their holders
  must(uv_loop_close(&impl_->loop));
}

void Loop::run() { uv_run(&impl_->loop, UV_RUN_DEFAULT); }

void Loop::stop() { uv_async_send(&impl_->stop); }

Monotonic Loop::now() const { return std::chrono::steady_clock::now(); }

Instant Loop::wall() const { return std::chrono::system_clock::now(); }

struct Timer::Impl {
  uv_timer_t handle;
  std::function<void()> fire;
};

Timer::Timer(Loop& loop, std::function<void()> fire) : impl_(new Impl{{}, std::move(fire)}) {
  must(uv_timer_init(&loop.impl().loop, &impl_->handle));
  impl_->handle.data = impl_;
}

Timer::~Timer() { close_and_delete(impl_); }

void Timer::start(Millis after, Millis repeat) {
  // libuv counts from the loop's cached time; a long callback before us would fire us early.
  uv_update_time(impl_->handle.loop);
  must(uv_timer_start(
      &impl_->handle, [](uv_timer_t* timer) { static_cast<Impl*>(timer->data)->fire(); },
      static_cast<std::uint64_t>(after.count()), static_cast<std::uint64_t>(repeat.count())));
}

void Timer::stop() { uv_timer_stop(&impl_->handle); }

struct Poll::Impl {
  uv_poll_t handle;
  std::function<void(unsigned)> ready;
};

Poll::Poll(Loop& loop, int fd, std::function<void(unsigned)> ready)
    : impl_(new Impl{{}, std::move(ready)}) {
  must(uv_poll_init(&loop.impl().loop, &impl_->handle, fd));
  impl_->handle.data = impl_;
}

Poll::~Poll() { close_and_delete(impl_); }

void Poll::watch(unsigned interest) {
  const int events = ((interest & readable) != 0 ? UV_READABLE : 0) |
                     ((interest & writable) != 0 ? UV_WRITABLE : 0);
  must(uv_poll_start(&impl_->handle, events, [](uv_poll_t* poll, int status, int ready) {
    unsigned holds = 0;
    if (status < 0 || (ready & UV_READABLE) != 0) holds |= readable;
    if (status < 0 || (ready & UV_WRITABLE) != 0) holds |= writable;
    static_cast<Impl*>(poll->data)->ready(holds);
  }));
}

void Poll::stop() { uv_poll_stop(&impl_->handle); }

struct Wakeup::Impl {
  uv_async_t handle;
  std::function<void()> woken;
};

Wakeup::Wakeup(Loop& loop, std::function<void()> woken) : impl_(new Impl{{}, std::move(woken)}) {
  must(uv_async_init(&loop.impl().loop, &impl_->handle,
                     [](uv_async_t* async) { static_cast<Impl*>(async->data)->woken(); }));
  impl_->handle.data = impl_;
}

Wakeup::~Wakeup() { close_and_delete(impl_); }

void Wakeup::notify() { uv_async_send(&impl_->handle); }

struct SignalWatch::Impl {
  uv_signal_t handle;
  std::function<void()> raised;
};

SignalWatch::SignalWatch(Loop& loop, int signal_number, std::function<void()> raised)
    : impl_(new Impl{{}, std::move(raised)}) {
  must(uv_signal_init(&loop.impl().loop, &impl_->handle));
  impl_->handle.data = impl_;
  must(uv_signal_start(
      &impl_->handle, [](uv_signal_t* signal, int) { static_cast<Impl*>(signal->data)->raised(); },
      signal_number));
}

SignalWatch::~SignalWatch() { close_and_delete(impl_); }

}  // namespace isochrone
