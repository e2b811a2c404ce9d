// SPDX-License-Identifier: Apache-2.0
//
// Server: the dns role: zones and routing state compiled into one snapshot, and workers that answer.
//
// Threads:   owns its own: one builder that loads, follows state and publishes snapshots, and
//            Options::workers that answer. Every member here may be called from one controlling thread.
// Failures:  a collector that is gone costs nothing: answers go on from the last snapshot, which is on
//            disk too, so that a restart without a collector answers as before.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "dns/inheritance.h"
#include "dns/options.h"
#include "routing/topology.h"

namespace isochrone::dns {

class Server {
 public:
  // All that is wrong with zones and sockets is reported at once, each as FILE:LINE: what.
  static tl::expected<std::unique_ptr<Server>, std::vector<Error>> start(
      const Options& options, const routing::Topology& topology);
  ~Server();

  // The one that comes, where another serves: prepare() loads and follows the collector, opens no
  // socket and writes nothing; serve() answers on what is inherited and binds what else is configured;
  // from take_charge() on the state directory and the interfaces' XDP queues are its own.
  static tl::expected<std::unique_ptr<Server>, std::vector<Error>> prepare(
      const Options& options, const routing::Topology& topology);
  tl::expected<void, std::vector<Error>> serve(Inheritance inherited);
  tl::expected<void, std::vector<Error>> take_charge();

  // The one that goes. save() writes what the other begins from. stand_by() answers all that was
  // received and leaves the rest in the sockets, until resume() takes up everything again or drain()
  // closes them, serves open connections to their end and calls `done`, from another thread.
  void save();
  Inheritance inheritance() const;
  void stand_by();
  void resume();
  void drain(std::function<void()> done);

  // Loads zones and configuration again; when anything is wrong, nothing changes and all errors are
  // returned. What needs a restart (listen, workers) is refused by name.
  tl::expected<void, std::vector<Error>> reload(const Options& options,
                                                const routing::Topology& topology);
  // Loads one zone again from its file, or asks its primary. When anything is wrong, nothing changes.
  std::vector<Error> reload_zone(std::string_view zone);

  // Begins another dnstap file where the last one was moved away.
  void reopen_tap();

  // Where it really listens: port 0 in the options takes a free port. TLS comes last.
  std::vector<Endpoint> listening() const;
  void measure(Metrics& metrics) const;
  // The facts behind `show status`, as a JSON object: generation, age of state, zones, collector.
  std::string status_json() const;

 private:
  Server();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Checks the zones of a configuration as start() would, without opening a socket.
std::vector<Error> check_zones(const Options& options, const routing::Topology& topology);

}  // namespace isochrone::dns
