// SPDX-License-Identifier: Apache-2.0
//
// Control: one JSON line to the running lab, one JSON line back, over a Unix socket.
//
// Threads: the server's are the loop's; ask() blocks its caller.
// Limits:  kMaxRequestBytes per request, kMaxClients at once; more are cut off.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/loop.h"
#include "base/result.h"

namespace isochrone::lab {

constexpr std::size_t kMaxRequestBytes = 4096;
constexpr std::size_t kMaxClients = 32;

class ControlServer {
 public:
  using Handler = std::function<std::string(std::string_view request)>;

  // Takes over a socket file that nobody listens on; a living one is an error.
  static Result<std::unique_ptr<ControlServer>> open(Loop& loop,
                                                     const std::filesystem::path& socket,
                                                     Handler handler);
  ~ControlServer();  // removes the socket file

 private:
  struct Client {
    Fd fd;
    std::string received;
    std::unique_ptr<Poll> poll;
  };
  ControlServer(Loop& loop, std::filesystem::path socket, Fd listener, Handler handler);
  void accept_one();
  void read_client(int fd);

  Loop& loop_;
  const std::filesystem::path socket_;
  const Fd listener_;
  const Handler handler_;
  std::map<int, Client> clients_;
  std::unique_ptr<Poll> poll_;
};

// Sends `request` to the lab that listens on `socket`; Errc::unavailable when none does.
Result<std::string> ask(const std::filesystem::path& socket, std::string_view request);

}  // namespace isochrone::lab
