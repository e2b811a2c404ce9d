// SPDX-License-Identifier: Apache-2.0
//
// Readers: long polls and streams that wait for more, served beside the engine, so that they never hold
// it up.
//
// Threads:  every member from any thread. Two threads of its own: one answers long polls, by which DNS
//           nodes follow; one fills streams, in the background, and yields to everything else.
// Slow readers: a stream gets its next page when it has taken the one before, and so falls behind
//           alone; when what it has not read is not kept any more, it is told the gap.
// Sharing:  streams that ask the same and are at the same place share one page, read once.
// Limits:   kMaxFollowers of each kind.
#pragma once

#include <memory>

#include "base/http_server.h"
#include "collector/event_log.h"
#include "collector/follow.h"

namespace isochrone::collector {

class Readers {
 public:
  explicit Readers(const EventLog& log);
  // Drops those that are left: their clients see the end.
  ~Readers();
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;

  // Answers when there is something to read, the time is over, or there is no room to wait.
  void wait(Read read, std::shared_ptr<HttpReplyLater> reply);
  void stream(Read read, std::shared_ptr<HttpStream> stream);
  // The log has grown: costs a wake-up at most.
  void grown();
  // What readers may see has changed: they have to ask again.
  void dismiss();

  std::size_t waiting() const noexcept;
  std::size_t streaming() const noexcept;

 private:
  class Polls;
  class Streams;
  std::unique_ptr<Polls> polls_;
  std::unique_ptr<Streams> streams_;
};

}  // namespace isochrone::collector
