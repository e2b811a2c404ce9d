// SPDX-License-Identifier: Apache-2.0
#include "base/poll_set.h"

#include <cstdlib>
#include <utility>

namespace isochrone {
namespace {

// Only memory or descriptors at start can be missing: no caller could go on.
Fd make_epoll() {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) std::abort();
  return epoll;
}

std::uint32_t events_of(unsigned interest) {
  return ((interest & Poll::readable) != 0 ? EPOLLIN : 0U) |
         ((interest & Poll::writable) != 0 ? EPOLLOUT : 0U);
}

// An error or a hang-up arrives as both, so that whoever reads or writes meets it.
unsigned interest_of(std::uint32_t events) {
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return Poll::readable | Poll::writable;
  return ((events & EPOLLIN) != 0 ? unsigned{Poll::readable} : 0U) |
         ((events & EPOLLOUT) != 0 ? unsigned{Poll::writable} : 0U);
}

}  // namespace

PollSet::PollSet(Loop& loop)
    : epoll_(make_epoll()), poll_(loop, epoll_.get(), [this](unsigned) { dispatch(); }) {
  poll_.watch(Poll::readable);
}

void PollSet::dispatch() {
  count_ = epoll_wait(epoll_.get(), events_.data(), kEvents, 0);
  for (next_ = 0; next_ < count_;) {
    const epoll_event& event = events_[static_cast<std::size_t>(next_++)];
    const auto* member = static_cast<const Member*>(event.data.ptr);
    if (member == nullptr) continue;  // ended by a callback before
    const auto ready = member->ready_;
    (*ready)(interest_of(event.events));
  }
  count_ = 0;
}

PollSet::Member::Member(PollSet& set, int fd, std::function<void(unsigned)> ready)
    : set_(set),
      fd_(fd),
      ready_(std::make_shared<const std::function<void(unsigned)>>(std::move(ready))) {}

PollSet::Member::~Member() {
  watch(0);
  for (int i = set_.next_; i < set_.count_; ++i) {
    epoll_event& event = set_.events_[static_cast<std::size_t>(i)];
    if (event.data.ptr == this) event.data.ptr = nullptr;
  }
}

void PollSet::Member::watch(unsigned interest) {
  epoll_event event{};
  event.events = events_of(interest);
  event.data.ptr = this;
  const int epoll = set_.epoll_.get();
  if (interest == 0) {
    // Errors would be told of even so.
    if (is_watched_) epoll_ctl(epoll, EPOLL_CTL_DEL, fd_, nullptr);
  } else if (epoll_ctl(epoll, is_watched_ ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd_, &event) != 0) {
    std::abort();  // out of kernel memory, or a descriptor that is not ours
  }
  is_watched_ = interest != 0;
}

}  // namespace isochrone
