// SPDX-License-Identifier: Apache-2.0
//
// NatsCluster: three nats-servers with JetStream, each in a network namespace of its own, and a switch
// between them and this process that each can be cut off from.
//
// Needs root. Ports and addresses are fixed, and nobody else's: this process has a namespace of its own too.
// Ending: the namespaces go with the processes that hold them.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/child.h"

namespace isochrone::test {

class NatsCluster {
 public:
  static constexpr std::size_t kServers = 3;

  // The one of this process, which moves into a namespace of its own. Threads and sockets that were made
  // before stay in the old one.
  static NatsCluster& make(const std::filesystem::path& folder);

  const std::string& trouble() const { return trouble_; }  // empty when all is well
  std::vector<std::string> urls() const;
  // Which server leads a stream; kServers while none does, as far as those that can be reached know.
  std::size_t leader(const std::string& stream) const;
  void kill(std::size_t server) { servers_[server].reset(); }
  void start(std::size_t server);
  void cut(std::size_t server) { link(server, "down"); }
  void heal(std::size_t server) { link(server, "up"); }
  // Whether all agree on a leader, and the others follow it.
  bool is_whole() const;
  std::string log(std::size_t server) const;

 private:
  explicit NatsCluster(std::filesystem::path folder);
  bool lay_cables();
  void link(std::size_t server, const char* state);

  const std::filesystem::path folder_;
  std::string trouble_;
  std::array<std::unique_ptr<Child>, kServers> holders_;
  std::array<std::unique_ptr<Child>, kServers> servers_;
};

}  // namespace isochrone::test
