// SPDX-License-Identifier: Apache-2.0
//
// PollSet: many descriptors of a loop that come and go, behind one handle of it.
//
// A Poll costs three system calls before it is watched, which short TCP connections pay each; here a
// descriptor costs one when it comes and one when it goes, and one wait tells of many.
//
// Threads:    of the loop's thread.
// Ownership:  a member owns its callback, not its descriptor; it must die before its set and before its
//             descriptor is closed. It may die in any member's callback, its own included.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <functional>
#include <memory>

#include "base/fd.h"
#include "base/loop.h"

namespace isochrone {

class PollSet {
 public:
  explicit PollSet(Loop& loop);
  PollSet(const PollSet&) = delete;
  PollSet& operator=(const PollSet&) = delete;

  // Calls back while the descriptor is readable or writable (level-triggered), as Poll does.
  class Member {
   public:
    Member(PollSet& set, int fd, std::function<void(unsigned)> ready);
    ~Member();
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

    void watch(unsigned interest);  // of Poll::Interest; 0: nothing for now

   private:
    friend class PollSet;
    PollSet& set_;
    int fd_;
    bool is_watched_ = false;
    // Shared with the call in progress, which may end this member.
    std::shared_ptr<const std::function<void(unsigned)>> ready_;
  };

 private:
  // So many are told of per wait; those after them wait for the loop's other handles.
  static constexpr int kEvents = 64;

  void dispatch();

  Fd epoll_;
  std::array<epoll_event, kEvents> events_{};
  int next_ = 0;  // of events_, while they are dispatched
  int count_ = 0;
  Poll poll_;  // after the descriptor: closed before it
};

}  // namespace isochrone
