// SPDX-License-Identifier: Apache-2.0
//
// Sender: a prober's side of a post: numbers its events, posts what was not acknowledged again under the
// same ids, and now and then what was.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "base/http_client.h"
#include "base/random.h"
#include "base/time.h"
#include "event/event.h"
#include "tests/faults/history.h"

namespace isochrone::test {

class Sender {
 public:
  // `now` is the collector's time.
  Sender(std::string site, std::uint64_t seed, History& history, std::function<Instant()> now);

  // New ones, for others to post.
  std::vector<std::vector<event::Event>> batches(unsigned count);
  // Posts the batch that waits, or a new one; whether it was acknowledged.
  bool post(const std::string& url);
  // Posts what waits, if anything does.
  bool flush(const std::string& url) { return waiting_.empty() || post(url); }
  // The status of the last post: 0 when no answer came.
  int status() const { return status_; }
  const std::string& answer() const { return answer_; }
  // For where time and what was acknowledged are not to be relied on: batches that are refused for
  // what they say, or for a part of it, are let go, and what was acknowledged may be new again.
  void set_gives_up(bool gives_up) { gives_up_ = gives_up; }
  void set_patience(Millis patience) { patience_ = patience; }

 private:
  std::vector<event::Event> make_batch();
  event::Event make_event();
  bool send(HttpClient& client, const std::vector<event::Event>& batch, bool is_known);

  std::string site_;
  Random random_;
  History& history_;
  std::function<Instant()> now_;
  std::uint64_t epoch_;
  std::uint64_t sequence_ = 0;
  std::vector<event::Event> waiting_;
  std::deque<std::vector<event::Event>> acknowledged_;  // the newest
  bool gives_up_ = false;
  int status_ = 0;
  std::string answer_;
  Millis patience_{20'000};
};

}  // namespace isochrone::test
