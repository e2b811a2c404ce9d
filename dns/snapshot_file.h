// SPDX-License-Identifier: Apache-2.0
//
// SnapshotFile: NodeState on disk, so that a restart answers as before without any collector.
//
// Format, all numbers big-endian:
//   magic "ISOSNAP" and a version octet (1) · u64 payload octets · u32 CRC-32C of the payload · payload
//   payload: state log id (text), u64 position, health log id (text), u64 position, i64 newest state in
//            Unix nanoseconds
//            u16 sites, their names (text) · u16 services, their names (text)
//            u16 health entries: site name (text), u8 by collector, u8 by operators
//            u32 prefixes, each: u8 family (4 or 6), u8 length, ceil(length/8) octets, u64 version
//              u16 paths: u16 site, u32 min, p50, p90, jitter in microseconds, i64 end in Unix
//                nanoseconds, u32 samples, u16 loss in permille, u8 method
//              u16 preferences: u16 service, u16 site
//            u16 services, of each u64: bits of its sites that were up when any was last; older files have none
//   text is a u16 length and that many octets. Sites and services are numbers into the name lists.
// Names survive: a file of another configuration gives what both know. When this configuration knows
// a name that the file does not, positions are zero, so that the channels are read again.
//
// Writing:  a temporary file, fsync, rename, fsync of the folder: a crash leaves the old or the new.
// Errors:   a file that is cut short, altered or of another version is an Error and changes nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/result.h"
#include "dns/node_state.h"
#include "routing/topology.h"

namespace isochrone::dns {

constexpr const char* kSnapshotFile = "dns.snapshot";  // in the state directory

std::vector<std::uint8_t> encode_snapshot(const NodeState& state,
                                          const routing::Topology& topology);
Result<NodeState> decode_snapshot(Bytes file, const routing::Topology& topology);

Result<void> write_snapshot(const std::filesystem::path& file, Bytes bytes);
// What the file holds; an empty state when there is none. A broken one is set aside as FILE.broken,
// with a warning, and the node starts without.
NodeState load_snapshot(const std::filesystem::path& file, const routing::Topology& topology);

}  // namespace isochrone::dns
