// SPDX-License-Identifier: Apache-2.0
//
// Nats: one connection to a NATS cluster and one stream of it, as the shared log uses them. The only
// file that includes the library is nats.cc.
//
// Threads:   one thread; the library has threads of its own that touch nothing of ours.
// Failures:  Errc::unavailable where trying again, or through another server, may help; a call waits for
//            its patience at most. After one, what was asked may have been done or not.
// Stopping:  the destructor closes the connection; nothing of it is used after.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace isochrone::collector {

struct NatsOptions {
  std::vector<std::string> servers;  // nats://HOST:PORT; empty: the embedded log
  std::string stream = "isochrone";
  unsigned replicas = 1;
  Millis lease{5'000};  // nothing heard of a collector for so long: others take its partitions
  std::filesystem::path credentials;  // of NATS: a .creds file; empty: none
  std::filesystem::path token_file;   // likewise
  std::filesystem::path ca;           // TLS when any of these is there
  std::filesystem::path certificate;
  std::filesystem::path key;

  friend bool operator==(const NatsOptions&, const NatsOptions&) = default;
};

class Nats {
 public:
  // Tries the servers in order, beginning with number `first` of them.
  static Result<std::unique_ptr<Nats>> connect(const NatsOptions& options, std::size_t first);
  ~Nats();
  Nats(const Nats&) = delete;
  Nats& operator=(const Nats&) = delete;

  struct Stream {
    std::string log_id;  // made with the stream
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t bytes = 0;
  };
  // Makes the stream when there is none.
  Result<Stream> stream();

  // What one message may have.
  std::size_t max_bytes() const;
  // A message as publish() stored it.
  struct Word {
    std::uint64_t id = 0;
    std::uint32_t part = 0;
  };
  // Stores all of them one after the other, the first right after `last`; each is stored once however
  // often this is tried. `id` is theirs alone. Errc::invalid: something else came after `last`; Errc::stale:
  // or `last` is another message than `word`, where that is given, or the server does not know any more.
  std::optional<Error> publish(const std::vector<std::string>& messages, std::uint64_t id,
                               std::uint64_t last, const std::optional<Word>& word,
                               Millis patience);
  // The message with this sequence; nothing when there is none yet, or not any more. Any server that has the
  // stream answers; `of_leader`: the one that decides.
  Result<std::optional<std::string>> get(std::uint64_t sequence, bool of_leader = false);
  // Messages from `first` to `last` in order; those that were deleted are left out. `take` returns
  // whether it wants more.
  std::optional<Error> read(std::uint64_t first, std::uint64_t last,
                            const std::function<bool(std::uint64_t, std::string_view)>& take);
  // Gives up the messages before this one.
  std::optional<Error> purge(std::uint64_t before);

 private:
  struct Impl;
  explicit Nats(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace isochrone::collector
