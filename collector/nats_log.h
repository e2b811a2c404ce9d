// SPDX-License-Identifier: Apache-2.0
//
// The event log that collectors share, in a NATS JetStream stream.
//
// The stream is the truth: each append is one commit (collector/commit.h), published on the condition
// that nothing came after what this collector has read. So commits have one order, whoever writes has
// seen all before, and an id that was seen is never stored again, whichever collector it is posted to.
// What is read comes from a replica, a RocksDB that repeats the stream; it may be lost, it is made anew.
//
// Positions are the same at every collector, and so is the log's id: a reader may change collectors.
// Retention:  what goes is a commit too; messages are given up once a checkpoint (all notes, all newest
//             states, said again) lies after them, so that the stream alone always has the whole state.
// Damage:     a message that cannot be read is skipped; the events it had are counted as lost.
// Threads:    as EventLog says. append(), catch_up() and trim() wait for the cluster.
// Failures:   Errc::unavailable when the cluster does not answer within kPatience; what was to be
//             appended may then be in the log nevertheless, and catch_up() gives it if so.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "collector/event_log.h"
#include "collector/nats.h"

namespace isochrone::collector {

// The replica lies in `folder`.
Result<std::unique_ptr<EventLog>> open_nats_log(const NatsOptions& options,
                                                const std::filesystem::path& folder);

}  // namespace isochrone::collector
