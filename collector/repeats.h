// SPDX-License-Identifier: Apache-2.0
//
// Repeats: a post that is the same as an earlier one is answered like that one, its events as duplicates,
// and not carried out.
//
// Threads: any.
// Same:    caller, path, kind and every octet of the body, told by two digests and the length; the keys
//          are random, so nobody can make two that look the same.
// Limits:  kMaxRepeats answers of at most kMaxRepeatBytes together; the oldest are forgotten first.
//          One larger than kMaxRepeatBody is not kept: its repetition is carried out, and its events
//          are duplicates by their ids.
// Failed:  what may go well another time (5xx, 401, 403, 429) is not kept.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "base/guarded.h"
#include "base/http_server.h"
#include "base/siphash.h"
#include "base/time.h"

namespace isochrone::collector {

constexpr std::size_t kMaxRepeats = 10'000;
constexpr std::size_t kMaxRepeatBytes = 16 << 20;
constexpr std::size_t kMaxRepeatBody = 64 << 10;

class Repeats : public std::enable_shared_from_this<Repeats> {
 public:
  struct Key {
    std::uint64_t hash = 0;
    std::uint32_t crc = 0;
    std::uint64_t bytes = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  // How long an answer is kept; 0: not at all.
  explicit Repeats(Nanos window) : window_ns_(window.count()) {}
  void set_window(Nanos window);

  Key key_of(const HttpRequest& request, std::string_view caller) const;

  // The first time: where its answer has to go. Again: null, for `reply` gets the answer of the first,
  // now or when that has it.
  std::shared_ptr<HttpReplyLater> begin(const Key& key, std::shared_ptr<HttpReplyLater> reply,
                                        Monotonic now);
  std::uint64_t answered() const noexcept { return answered_.load(); }

 private:
  class Recorder;
  struct Entry {
    Monotonic at{};
    bool is_answered = false;
    HttpResponse response;
    std::vector<std::shared_ptr<HttpReplyLater>> waiting;
  };
  struct State {
    std::map<Key, Entry> entries;
    std::deque<std::pair<Monotonic, Key>> order;  // of those that are answered
    std::size_t bytes = 0;
  };
  // Null: given up.
  void settle(const Key& key, const HttpResponse* response);
  void forget_old(State& state, Monotonic now) const;

  const SipKey secret_ = SipKey::random();
  std::atomic<std::int64_t> window_ns_;
  std::atomic<std::uint64_t> answered_{0};
  Guarded<State> state_;
};

}  // namespace isochrone::collector
