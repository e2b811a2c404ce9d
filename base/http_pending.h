// SPDX-License-Identifier: Apache-2.0
//
// PendingReply and PendingStream: responses that outlive the handler that promised them.
//
// Threads:   what a handle does may happen on any thread; the rest on the connection's own.
// Ownership: the exchange and the handles share one; gone() cuts it off from the connection.
// Locks:     the line is suspended and resumed under the pending's lock, so that no wake-up is
// lost;
//            the library only sets flags there.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "base/guarded.h"
#include "base/http_server.h"

namespace isochrone {

// What a pending response needs of its connection.
class HttpLine {
 public:
  virtual void suspend() = 0;           // only from the connection's own thread
  virtual void resume() = 0;            // any thread
  virtual bool peer_waits() const = 0;  // false when the peer has closed
  virtual void cut() = 0;               // ends it without another byte

 protected:
  ~HttpLine() = default;
};

class Pending {
 public:
  virtual ~Pending() = default;
  virtual void end() = 0;   // the server stops: answer what is owed
  virtual void gone() = 0;  // the connection is no more
};

class PendingReply final : public Pending, public std::enable_shared_from_this<PendingReply> {
 public:
  explicit PendingReply(HttpLine& line);  // suspends it

  std::shared_ptr<HttpReplyLater> handle();
  std::optional<HttpResponse> take();  // once resumed
  bool reply(HttpResponse response);
  bool is_open() const;
  void end() override;
  void gone() override;

 private:
  struct State {
    HttpLine* line = nullptr;
    bool is_answered = false;
    std::optional<HttpResponse> response;
  };
  Guarded<State> state_;
};

class PendingStream final : public Pending, public std::enable_shared_from_this<PendingStream> {
 public:
  PendingStream(HttpLine& line, std::string first, std::size_t max_backlog_bytes);

  enum class Read { bytes, nothing_yet, finished, broken };
  // Moves up to `size` bytes to `to`; on nothing_yet the line is suspended until there are some.
  Read read(char* to, std::size_t size, std::size_t& moved);

  std::shared_ptr<HttpStream> handle();
  bool write(std::string_view bytes);
  void close();
  bool is_open() const;
  void end() override { close(); }
  void gone() override;

 private:
  struct State {
    HttpLine* line = nullptr;
    std::string backlog;
    std::size_t sent = 0;  // bytes of the backlog that have gone out
    bool is_suspended = false;
    bool is_closed = false;
    bool is_cut = false;
  };
  static void wake(State& state);

  const std::size_t max_backlog_bytes_;
  Guarded<State> state_;
};

}  // namespace isochrone
