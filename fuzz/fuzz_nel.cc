// SPDX-License-Identifier: Apache-2.0
//
// Any body is refused or read as a bounded number of network errors.
#include <cstdlib>

#include "collector/nel.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace isochrone::collector;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const auto errors = parse_network_errors(body);
  if (errors && errors->size() > kMaxNelReports) std::abort();
  if (errors) {
    for (const NetworkError& error : *errors) {
      if (error.age.count() < 0 || (error.host.empty() && !error.server)) std::abort();
    }
  }
  if (host_of_url(body).size() > size) std::abort();
  return 0;
}
