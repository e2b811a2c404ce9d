// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as the options of an OPT record; and what is accepted as Client Subnet goes back as it came.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>

#include "dns/edns.h"

using namespace isochrone;

namespace {

// Family, source and address as sent; the scope is ours.
void check_echo(Bytes data, const dns::ClientSubnet& subnet) {
  std::array<std::uint8_t, 64> out{};
  ByteWriter writer(out);
  subnet.write(writer, 0);
  const Bytes echoed = writer.written().subspan(4);
  if (!writer.ok() || !std::equal(data.begin(), data.end(), echoed.begin(), echoed.end()))
    std::abort();
  if (writer.position() != subnet.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(data, size);
  for (const dns::KnownOptions known :
       {dns::KnownOptions{true, true}, {true, false}, {false, true}, {false, false}}) {
    dns::Edns edns;
    dns::parse_options(bytes, known, edns);
    if (!known.client_subnet && edns.client_subnet) std::abort();
    if (!known.cookie && edns.cookie) std::abort();
  }
  if (const auto subnet = dns::parse_client_subnet(bytes)) check_echo(bytes, *subnet);
  return 0;
}
