// SPDX-License-Identifier: Apache-2.0
//
// TapOptions: what is logged as dnstap, and where it goes.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/ip.h"

namespace isochrone::dns {

struct TapOptions {
  // At most one of the three; none: nothing is logged.
  std::filesystem::path file;
  std::filesystem::path socket;
  std::optional<Endpoint> tcp;
  bool queries = true;
  bool answers = true;
  std::string identity;
  std::string version;

  bool is_on() const { return !file.empty() || !socket.empty() || tcp.has_value(); }
  friend bool operator==(const TapOptions&, const TapOptions&) = default;
};

}  // namespace isochrone::dns
