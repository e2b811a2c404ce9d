// SPDX-License-Identifier: Apache-2.0
//
// PendingReply: a response that outlives the handler that promised it.
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
  virtual void end_sending() = 0;       // ends it once what was sent has arrived
  virtual int descriptor() const = 0;
  // Of a suspended line, from whoever has it: how many bytes the socket took, -1 when it is broken.
  virtual long send(std::string_view bytes) = 0;

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

}  // namespace isochrone
