// SPDX-License-Identifier: Apache-2.0
//
// HttpStreamer and PendingStream: responses that are written bit by bit, beside the library, so that
// thousands of readers cost the threads that take requests nothing.
//
// Threads:   write() sends in its caller's thread what the socket takes; what is left is sent by the
//            streamer's own thread, which works in the background.
// Ownership: the connection stays with the library, suspended, and nothing else uses it until the stream
//            has ended: then it is resumed, only to be closed.
// Sharing:   bytes are shared, not copied: one text for all its readers.
// Limits:    a backlog per stream; a reader that takes nothing for `idle` is cut off.
// Framing:   the body ends with the connection (RFC 9112 section 6.3).
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>

#include "base/bell.h"
#include "base/fd.h"
#include "base/guarded.h"
#include "base/http_pending.h"
#include "base/http_server.h"
#include "base/time.h"

namespace isochrone {

class HttpStreamer;

class PendingStream final : public Pending, public std::enable_shared_from_this<PendingStream> {
 public:
  using Bytes = std::shared_ptr<const std::string>;

  PendingStream(HttpStreamer& streamer, std::uint64_t number, HttpLine& line);

  std::shared_ptr<HttpStream> handle();
  bool write(Bytes bytes);
  bool has_room() const;
  void close();
  bool is_open() const;
  void end() override { close(); }
  void gone() override;

 private:
  friend class HttpStreamer;
  struct State {
    HttpLine* line = nullptr;  // null: it has ended
    std::deque<Bytes> queue;
    std::size_t queued_bytes = 0;
    std::size_t sent = 0;  // of the first
    std::int64_t moved_at_ms = 0;
    bool is_closing = false;
  };
  void flush(State& state);
  void finish(State& state, bool is_cut);
  // By the streamer: the socket takes more, has gone, or has stood still for too long.
  void wake(bool has_gone, std::int64_t stalled_since_ms);

  HttpStreamer& streamer_;
  const std::uint64_t number_;
  Guarded<State> state_;
};

class HttpStreamer {
 public:
  HttpStreamer(std::size_t max_backlog_bytes, Millis idle);
  ~HttpStreamer();
  HttpStreamer(const HttpStreamer&) = delete;
  HttpStreamer& operator=(const HttpStreamer&) = delete;

  // Suspends the line, and begins with `head`.
  std::shared_ptr<PendingStream> open(HttpLine& line, std::string head);
  // Cuts off those that are left, so that no line stays suspended.
  void stop();
  std::size_t size() const;

 private:
  friend class PendingStream;
  void forget(std::uint64_t number, int socket);
  void run();
  void look_for_stalled();

  const std::size_t max_backlog_bytes_;
  const Millis idle_;
  Fd epoll_;
  Bell stop_;
  std::atomic<bool> is_stopping_{false};
  std::atomic<std::uint64_t> next_{1};
  Guarded<std::unordered_map<std::uint64_t, std::shared_ptr<PendingStream>>> open_;
  std::thread thread_;
};

}  // namespace isochrone
