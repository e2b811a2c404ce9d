// SPDX-License-Identifier: Apache-2.0
//
// World: a folder with a zone and configurations of nodes on loopback, and the questions to ask them.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/http_access.h"
#include "tests/app/scratch.h"
#include "tests/support/daemon.h"
#include "tests/support/dns_client.h"

namespace isochrone::test {

inline constexpr std::string_view kService = "www.example.com";

class World {
 public:
  World();

  // Configurations of nodes; every port is free when first used. `collector_url` empty: none.
  std::string all_in_one() const;  // dns and collector
  std::string collector_only(std::uint16_t port = 0) const;
  std::string dns_only(const std::string& collector_url) const;
  // The sites fra, iad, sin (192.0.2.1 to .3) and www.example.com over them in this order.
  static std::string topology();

  std::string write(const std::string& name, const std::string& text) const {
    return scratch_.write(name, text).string();
  }
  void write_zone(std::string_view more = {}) const;
  std::string path(const std::string& name) const { return (scratch_.path() / name).string(); }

 private:
  app::Scratch scratch_;
};

// A port of 127.0.0.1 that was free a moment ago: nothing but chance takes it before the program that is
// told.
std::uint16_t free_port();

// A body from the collector, or an empty object when it does not answer 200.
nlohmann::json get_json(const HttpAccess& collector, const std::string& path);
// The status and body of a POST of NDJSON.
struct Posted {
  int status = 0;
  nlohmann::json body;
};
std::optional<Posted> post(const HttpAccess& collector, const std::string& channel,
                           const std::string& ndjson);
// Every event of a channel, in order.
std::vector<nlohmann::json> events_of(const HttpAccess& collector, const std::string& channel);

// One NDJSON line, newline included. `sequence` 0 leaves the id to be filled in.
std::string measurement(std::string_view site, std::string_view prefix, int rtt_us,
                        std::uint64_t sequence = 0, std::string_view source = "test");
std::string operator_says(std::string_view site, std::string_view status, std::uint64_t sequence);

// The routed address a client of this network gets; nothing without an answer.
std::optional<Address> answer_for(const Endpoint& dns, std::string_view subnet);
bool answers(const Endpoint& dns, std::string_view subnet, std::string_view address);

// A metric without labels; -1 when it is not there.
double metric(const HttpAccess& node, const std::string& name);
// How often `what` stands in `text`.
std::size_t count_of(std::string_view text, std::string_view what);

}  // namespace isochrone::test
