// SPDX-License-Identifier: Apache-2.0
#include "prober/ip_header.h"

namespace isochrone::prober {

void write_ipv4(ByteWriter& writer, const Ipv4Fields& fields) noexcept {
  writer.u8(0x45);  // version 4, five words
  writer.u8(0);
  writer.u16(0);
  writer.u16(fields.identification);
  writer.u16(0x4000);  // not to be fragmented
  writer.u8(fields.ttl);
  writer.u8(fields.protocol);
  writer.u16(0);
  writer.put(Bytes(fields.source.value_or(Address()).bytes()).first(4));
  writer.put(Bytes(fields.destination.bytes()).first(4));
}

}  // namespace isochrone::prober
