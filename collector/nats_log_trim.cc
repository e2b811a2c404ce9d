// SPDX-License-Identifier: Apache-2.0
//
// NatsLog, what it gives up: events past their retention at once and at every collector, messages of
// the stream once everything that still counts was said again after them.
#include <algorithm>

#include "base/log.h"
#include "collector/nats_log_impl.h"

namespace isochrone::collector {
namespace {

// The sequence that the last whole checkpoint begins at, and its octets.
constexpr std::string_view kCheckpointNote = "checkpoint";
constexpr std::string_view kOfReplica = "replica/";
// What is said again at once: a post waits for no more than this.
constexpr std::size_t kPieceBytes = 256 * 1'024;
// A checkpoint is worth its octets when it frees at least so many messages.
constexpr std::uint64_t kWorthwhile = 64;

}  // namespace

std::size_t NatsLog::trim(const Retention& keep, Instant now, std::size_t limit) {
  if (!foreign_.empty() || connect()) return 0;
  const Firsts due = replica_->due(keep, now, limit);
  std::size_t gone = 0;
  Commit commit = commit_of(now);
  for (std::size_t i = 0; i < due.size(); ++i) {
    const event::Position first = replica_->first(static_cast<event::Channel>(i));
    if (due[i] <= first) continue;
    commit.trim[i] = due[i];
    gone += static_cast<std::size_t>(due[i] - first);
  }
  if (gone > 0 && write(commit)) return 0;
  // Asked again at once while a checkpoint is being written: each call writes a piece.
  return give_up_old(now) ? gone : limit;
}

// Whether there is nothing left to do for now.
bool NatsLog::give_up_old(Instant now) {
  if (checkpoint_) return go_on_with_checkpoint(now);
  if (!nats_) return true;
  const auto stream = nats_->stream();
  const auto old = stream ? reclaimable(*stream) : tl::unexpected(stream.error());
  if (!old || *old <= stream->first) return true;
  std::uint64_t begin = 0;
  std::uint64_t bytes = 0;
  if (const auto note = replica_->note(kCheckpointNote); note && note->size() == 16) {
    begin = get_u64(*note);
    bytes = get_u64(note->substr(8));
  }
  const std::uint64_t before = std::clamp(begin, stream->first, *old);
  if (before > stream->first) {
    if (const auto failed = nats_->purge(before)) log_warning(failed->text());
  }
  const std::uint64_t left = *old - before;
  const std::uint64_t each = stream->bytes / (stream->last - stream->first + 1);
  if (left < kWorthwhile || left * each < 2 * bytes) return true;
  begin_checkpoint();
  return false;
}

// The first sequence that has to stay for what its commit holds, by the positions that commits begin at.
Result<std::uint64_t> NatsLog::reclaimable(const Nats::Stream& stream) {
  std::uint64_t low = stream.first;  // nothing before it has to stay
  for (std::uint64_t high = mark_; low < high;) {
    const std::uint64_t middle = low + (high - low + 1) / 2;
    const auto message = nats_->get(middle);
    if (!message) return tl::unexpected(message.error());
    const auto part = *message ? read_part(**message) : fail(Errc::invalid, "none");
    if (!part) return tl::unexpected(part.error());
    bool is_old = true;
    for (std::size_t i = 0; i < event::kChannels; ++i) {
      const event::Position first = replica_->first(static_cast<event::Channel>(i));
      is_old = is_old && part->next[i] <= std::max<event::Position>(first, 1);
    }
    // All parts of a commit say the same, and the last one is found first.
    if (is_old) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  const auto message = nats_->get(low);
  if (!message) return tl::unexpected(message.error());
  const auto part = *message ? read_part(**message) : fail(Errc::invalid, "none");
  return std::max(stream.first, low - (part ? part->part : 0));
}

void NatsLog::begin_checkpoint() {
  checkpoint_ = Checkpoint{};
  checkpoint_->begin = mark_ + 1;
  replica_->notes("", [&](std::string_view key, std::string_view) {
    if (!key.starts_with(kOfReplica)) checkpoint_->keys.emplace_back(key);
  });
  replica_->states([&](event::Position position, std::string_view event) {
    checkpoint_->states.push_back({position, std::string(event)});
  });
}

// One piece; whether the checkpoint is over. What others wrote meanwhile is no harm: a note is said as it
// is now, and of two states of a prefix the one with the later position counts.
bool NatsLog::go_on_with_checkpoint(Instant now) {
  Checkpoint& checkpoint = *checkpoint_;
  Commit commit = commit_of(now);
  std::size_t bytes = 0;
  std::size_t key = checkpoint.key;
  std::size_t state = checkpoint.state;
  for (; key < checkpoint.keys.size() && bytes < kPieceBytes; ++key) {
    auto note = replica_->note(checkpoint.keys[key]);
    if (!note) continue;
    bytes += note->size();
    commit.notes.push_back({checkpoint.keys[key], std::move(*note)});
  }
  for (; state < checkpoint.states.size() && bytes < kPieceBytes; ++state) {
    bytes += checkpoint.states[state].event.size();
    commit.states.push_back(checkpoint.states[state]);
  }
  const bool is_last = key == checkpoint.keys.size() && state == checkpoint.states.size();
  if (is_last) {
    std::string note;
    put_u64(note, checkpoint.begin);
    put_u64(note, checkpoint.bytes + bytes);
    commit.notes.push_back({std::string(kCheckpointNote), std::move(note)});
  }
  if (write(commit)) return false;  // the same piece again
  checkpoint.key = key;
  checkpoint.state = state;
  checkpoint.bytes += bytes;
  if (is_last) checkpoint_.reset();
  return false;
}

}  // namespace isochrone::collector
