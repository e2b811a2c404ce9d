// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a hit list and as an opt-out list: every address lies in what it answers for, or stands
// for it because the list says so, and errors name a line.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "prober/hit_list.h"

using namespace isochrone;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto sources = prober::parse_hit_list(text, "list");
  if (sources) {
    if (sources->size() > size) std::abort();
  } else if (!sources.error().text().starts_with("list:")) {
    std::abort();
  }
  const auto prefixes = prober::parse_prefix_list(text, "list");
  if (prefixes ? prefixes->size() > size : !prefixes.error().text().starts_with("list:")) {
    std::abort();
  }
  return 0;
}
