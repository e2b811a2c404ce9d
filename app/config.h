// SPDX-License-Identifier: Apache-2.0
//
// Config: the configuration of one node, as immutable typed values.
//
// Threads:    a value; share it const.
// Invariant:  what load_config() returns has been checked as a whole: names are unique, services name
//             known sites and lie inside zones, files exist, each role has what it needs.
// Limits:     kMaxConfigBytes, kMaxConfigDepth; anchors, aliases and tags are refused, so the tree is
//             never larger than the file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/config_tree.h"
#include "base/http_access.h"
#include "base/http_tls.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/result.h"
#include "collector/options.h"
#include "dns/options.h"
#include "event/access.h"
#include "prober/options.h"
#include "routing/topology.h"

namespace isochrone::app {

// 64 sites and a thousand services of forty lines are well under it.
constexpr std::size_t kMaxConfigBytes = 1 << 20;
// The deepest key, prober.targets[].address, has four levels; eight leave room for mistakes that can
// still be named one by one.
constexpr int kMaxConfigDepth = 8;

struct NodeOptions {
  std::string name;
  std::filesystem::path state_dir;
  bool has_dns = false;
  bool has_collector = false;
  bool has_prober = false;
  std::optional<Endpoint> http;  // /healthz, /metrics and /v1/status where no collector runs
  LogLevel log_level = LogLevel::info;
};

// Of the HTTP API, whichever role serves it.
struct ApiOptions {
  HttpTls tls;
  std::filesystem::path certificate_file;
  event::Access access;
};

struct Config {
  std::filesystem::path file;
  NodeOptions node;
  dns::Options dns;
  collector::Options collector;
  prober::Options prober;
  routing::Topology topology;
  ApiOptions api;
  HttpAccess collector_access;  // empty: the collector of this process, or none
};

using ConfigResult = tl::expected<Config, std::vector<Error>>;

// Every error is FILE:LINE:COLUMN: what; what to do.
ConfigResult load_config(const std::filesystem::path& file);
// At most kMaxConfigBytes of text, or why not.
tl::expected<std::string, std::vector<Error>> read_config(const std::filesystem::path& file);
// The same for text already read; relative paths are relative to the folder of `file`.
ConfigResult parse_config(std::string_view text, const std::filesystem::path& file);

// Text of a candidate as if it stood in the file at `place`, which it may replace; errors name the candidate.
ConfigResult parse_config_of(std::string_view text, const std::filesystem::path& candidate,
                             const std::filesystem::path& place);

// The tree of a YAML text; what is wrong with it as YAML goes to `complaints`.
ConfigNode parse_tree(std::string_view text, Complaints& complaints);

}  // namespace isochrone::app
