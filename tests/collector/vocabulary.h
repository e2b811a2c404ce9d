// SPDX-License-Identifier: Apache-2.0
//
// The words that tests of the collector speak: sites, measurements, folders that go away.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/ip.h"
#include "collector/options.h"
#include "event/event.h"
#include "routing/topology.h"

namespace isochrone::collector {

inline const Instant kStart = *parse_instant("2024-05-01T12:00:00Z");

inline routing::Topology two_sites() {
  routing::Topology topology;
  topology.sites = {{"fra", {}, {*Address::parse("192.0.2.1")}},
                    {"iad", {}, {*Address::parse("192.0.2.2")}}};
  routing::Service service;
  service.name = "www.example.com";
  service.sites = {routing::SiteId(0), routing::SiteId(1)};
  topology.services = {service};
  return topology;
}

inline Options test_options() {
  Options options;
  options.listen = {Address::v4(127, 0, 0, 1), 0};
  options.node_name = "test";
  options.window = Millis(1000);
  options.lateness = Millis(500);
  return options;
}

inline event::EventId id(std::uint64_t sequence, std::string source = "prober-fra") {
  return {std::move(source), 1, sequence};
}

inline event::Event measured(std::uint64_t sequence, std::string site, const char* prefix,
                             Instant time, std::optional<Micros> rtt,
                             routing::Method method = routing::Method::icmp) {
  const std::string source = "prober-" + site;
  return {id(sequence, source), time, site + "-1",
          event::Measurement{std::move(site), *Prefix::parse(prefix), method, rtt}};
}

inline event::Event health(std::uint64_t sequence, std::string site, event::HealthStatus status,
                           event::HealthOrigin origin, Instant time) {
  const std::string source = origin == event::HealthOrigin::prober ? "prober-" + site : "operator";
  return {id(sequence, source), time, {}, event::Health{std::move(site), status, origin, {}}};
}

// A folder that is removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "isochrone-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace isochrone::collector
