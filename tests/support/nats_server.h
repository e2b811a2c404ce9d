// SPDX-License-Identifier: Apache-2.0
//
// NatsServer: nats-server from Debian with JetStream, alone, on a port that the kernel chose.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "tests/support/child.h"

namespace isochrone::test {

class NatsServer {
 public:
  // Keeps everything in `folder`, which exists; `more` is added to its configuration.
  explicit NatsServer(const std::filesystem::path& folder, const std::string& more = {});

  // nats://127.0.0.1:PORT; empty when it does not start.
  const std::string& url() const { return url_; }
  // What it says.
  std::string log() const;
  void kill() { child_->end(); }
  // On the same port.
  void start_again();
  // What it stores during `later` is forgotten: as if its disk had not been synced.
  void forget(const std::function<void()>& later);

 private:
  bool start(int port);

  std::filesystem::path folder_;
  std::string more_;
  std::string url_;
  std::unique_ptr<Child> child_;
};

}  // namespace isochrone::test
