// SPDX-License-Identifier: Apache-2.0
#include "collector/nats_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "base/log.h"
#include "base/random.h"
#include "collector/nats_log_impl.h"

namespace isochrone::collector {

using event::Position;

namespace {

constexpr std::string_view kMarkNote =
    "replica/mark";  // of the replica alone: what it repeats, how far
// A cluster elects a new leader within some seconds; posts wait as long, and no longer.
constexpr Millis kPatience{10'000};
// At the start there is nothing else to do, and a cluster that starts too takes longer.
constexpr Millis kPatienceStart{30'000};
constexpr Millis kPatienceAway{1'000};
// Then another server is asked: this one may be cut off from the others.
constexpr Millis kPatienceServer{2'000};
constexpr Millis kConnectEvery{500};
// A message that was acknowledged is at every replica of the stream soon.
constexpr Millis kLag{2'000};
constexpr Millis kPause{5};
// Messages of our own that are looked at again when something is missing: some seconds of them.
constexpr std::size_t kMostSaid = 4'096;

}  // namespace

Result<std::unique_ptr<EventLog>> open_nats_log(const NatsOptions& options,
                                                const std::filesystem::path& folder) {
  auto log = std::make_unique<NatsLog>(options, folder);
  if (const auto failed = log->begin()) return tl::unexpected(failed->within("event log"));
  return log;
}

std::optional<Error> NatsLog::begin() {
  const auto deadline = Clock::now() + kPatienceStart;
  while (true) {
    auto failed = connect();
    if (!failed) {
      const auto stream = nats_->stream();
      failed = stream ? open_replica(*stream) : std::optional(stream.error());
      if (!failed) return std::nullopt;
    }
    if (failed->code() != Errc::unavailable || Clock::now() > deadline) return failed;
    leave_server();
    std::this_thread::sleep_for(kPause);
  }
}

// Opens what an earlier life left when it repeats this very stream, or begins anew; reads the rest.
std::optional<Error> NatsLog::open_replica(const Nats::Stream& stream) {
  is_anew_ = false;
  id_ = stream.log_id;
  if (!replica_) {
    auto opened = RocksDbLog::open(folder_);
    if (!opened) return opened.error();
    auto is_same = is_replica(**opened, stream);
    if (!is_same) return is_same.error();
    if (!*is_same) {
      const auto note = (*opened)->note(kMarkNote);
      opened->reset();
      // One that merely fell behind what is kept has nothing that the stream lost.
      const bool is_of_stream = note && note->starts_with(stream.log_id + " ");
      if (is_of_stream && mark_ + 1 >= stream.first) {
        if (auto failed = set_aside()) return failed;
      }
      // Nor is anything owed to a stream by the replica of another; but it may be all there is of that.
      if (note && !is_of_stream) {
        if (auto failed = keep_other(note->substr(0, note->find(' ')))) return failed;
      }
      std::error_code error;
      std::filesystem::remove_all(folder_, error);
      opened = RocksDbLog::open(folder_);
      if (!opened) return opened.error();
      is_anew_ = true;
      mark_ = 0;
      word_.reset();
    }
    replica_ = std::move(*opened);
    replica_->repeat_another();
  }
  auto failed = read_stream(stream);
  if (!failed || failed->code() != Errc::stale) return failed;
  // Where it was read last the stream was the same, and before that it was not.
  replica_.reset();
  assembly_ = {};
  if (auto kept = set_aside()) return kept;
  is_anew_ = true;
  mark_ = 0;
  word_.reset();
  auto opened = RocksDbLog::open(folder_);
  if (!opened) return opened.error();
  replica_ = std::move(*opened);
  replica_->repeat_another();
  return read_stream(stream);
}

std::optional<Error> NatsLog::read_stream(const Nats::Stream& stream) {
  mark_ = std::max(mark_, stream.first > 0 ? stream.first - 1 : 0);
  std::optional<Error> failed;
  auto unread =
      nats_->read(mark_ + 1, stream.last, [&](std::uint64_t at, std::string_view message) {
        failed = take(at, message);
        return !failed;
      });
  if (failed || unread) return failed ? failed : unread;
  if (mark_ < stream.last) word_.reset();
  mark_ = std::max(mark_, stream.last);
  is_open_ = true;
  is_anew_ = false;
  return std::nullopt;
}

// Whether it repeats this stream; one whose last commit lies elsewhere, or not at all, does not.
Result<bool> NatsLog::is_replica(const RocksDbLog& known, const Nats::Stream& stream) {
  const auto note = known.note(kMarkNote);
  if (!note && known.last({}) == 0) return true;  // new
  const std::string start = stream.log_id + " ";
  const std::string_view rest =
      note && note->starts_with(start) ? std::string_view(*note).substr(start.size()) : "";
  mark_ = get_u64(rest);
  if (rest.size() == 16 && mark_ > stream.last && !is_short_for_long()) {
    return fail(Errc::unavailable, "NATS: the stream is shorter than its replica; is its leader?");
  }
  const bool is_near = rest.size() == 16 && mark_ <= stream.last && mark_ + 1 >= stream.first;
  bool is_same = is_near && known.damage().repairs == 0;
  if (is_same && mark_ >= stream.first) {
    const auto message = nats_->get(mark_, true);
    if (!message) return tl::unexpected(message.error());
    const auto part = *message ? read_part(**message) : fail(Errc::invalid, "none");
    is_same = part && part->commit == get_u64(rest.substr(8));
    if (is_same) word_ = Nats::Word{part->commit, part->part};
  }
  if (is_same) return true;
  log_warning(
      fmt::format("the replica of the event log is damaged or of another stream, it is made "
                  "anew stream={} first={} last={} replica={}",
                  options_.stream, stream.first, stream.last, mark_));
  return false;
}

std::optional<Error> NatsLog::connect() {
  if (nats_) return std::nullopt;
  if (Clock::now() < next_connect_) return Error(Errc::unavailable, "NATS: not connected");
  auto connected = Nats::connect(options_, server_);
  if (!connected) {
    next_connect_ = Clock::now() + kConnectEvery;
    return connected.error();
  }
  nats_ = std::move(*connected);
  return std::nullopt;
}

void NatsLog::leave_server() {
  nats_.reset();
  ++server_;
}

Commit NatsLog::commit_of(Instant now) const {
  Commit commit;
  commit.id = random_u64();
  commit.arrival = now;
  for (std::size_t i = 0; i < event::kChannels; ++i) {
    commit.next[i] = replica_->last(static_cast<event::Channel>(i)) + 1;
  }
  return commit;
}

Result<std::vector<Position>> NatsLog::append(const std::vector<event::Event>& events,
                                              const std::vector<Note>& notes, Instant now) {
  if (!foreign_.empty()) return fail(Errc::invalid, "event log: others wrote first");
  Commit commit = commit_of(now);
  commit.events = events;
  commit.notes = notes;
  Firsts next = commit.next;
  std::vector<Position> positions;
  positions.reserve(events.size());
  for (const event::Event& event : events) positions.push_back(next[index_of(event.channel())]++);
  if (const auto failed = write(commit)) return tl::unexpected(failed->within("event log"));
  return positions;
}

// Until it is stored, somebody else was first, or the patience is over.
std::optional<Error> NatsLog::write(const Commit& commit) {
  const auto deadline = Clock::now() + (is_away_ ? kPatienceAway : kPatience);
  std::vector<std::string> parts;
  std::optional<Error> failed;
  do {
    failed = connect();
    if (!failed) {
      if (parts.empty()) parts = to_parts(commit, nats_->max_bytes());
      if (parts.size() > kMaxParts) return Error(Errc::limit, "too much at once");
      failed = nats_->publish(parts, commit.id, mark_, word_, kPatienceServer);
      is_away_ = false;
      if (!failed) {
        for (std::size_t i = 0; i < parts.size(); ++i) said_.push_back({++mark_, commit.id});
        word_ = Nats::Word{commit.id, static_cast<std::uint32_t>(parts.size() - 1)};
        is_word_said_ = true;
        short_since_.reset();
        while (said_.size() > kMostSaid) said_.pop_front();
        return repeat(commit);
      }
      if (failed->code() == Errc::stale) {
        failed = look_at_word();
        // What was read moved the positions that this commit was made for: it must not be sent again.
        if (!foreign_.empty()) return Error(Errc::invalid, "others wrote first");
        if (!failed) {
          failed = Error(Errc::unavailable, "NATS: a server knows no names of messages yet");
          continue;
        }
      }
      if (failed->code() == Errc::invalid) {
        bool is_stored = false;
        auto unread = look_for(commit.id, is_stored);
        if (is_stored) return std::nullopt;
        // What was read moved the positions that this commit was made for: it must not be sent again.
        if (!foreign_.empty()) return failed;
        if (unread) failed = std::move(unread);
      }
      if (failed->code() != Errc::unavailable) return failed;
      leave_server();
    }
    std::this_thread::sleep_for(kPause);
  } while (Clock::now() < deadline);
  is_away_ = true;
  return failed;
}

// What came after the mark: an earlier try to write this commit may be among it.
std::optional<Error> NatsLog::look_for(std::uint64_t commit, bool& is_stored) {
  const auto stream = nats_->stream();
  if (!stream) return stream.error();
  if (stream->log_id != id_ || stream->last < mark_) {
    // A leader that does not know yet that it is none any more may say so, too.
    return Error(is_short_for_long() ? Errc::stale : Errc::unavailable,
                 fmt::format("the stream {} has lost what it acknowledged (it ends at {}, "
                             "{} was read)",
                             options_.stream, stream->last, mark_));
  }
  short_since_.reset();
  own_ = commit;
  auto unread = pull(stream->last);
  is_stored = !std::exchange(own_, std::nullopt);
  return unread;
}

// Reads on, at least until this sequence.
std::optional<Error> NatsLog::pull(std::uint64_t until) {
  const auto deadline = Clock::now() + kLag;
  while (true) {
    const auto message = nats_->get(mark_ + 1);
    if (!message) return message.error();
    if (*message) {
      if (is_word_said_) {
        // Our own word was not read: others may have built on what is there instead.
        if (auto failed = confirm_word()) return failed;
        is_word_said_ = false;
        continue;
      }
      if (auto failed = take(mark_ + 1, **message)) return failed;
      continue;
    }
    if (mark_ >= until) return std::nullopt;
    if (Clock::now() > deadline) {
      return Error(Errc::unavailable, "NATS: the stream's end cannot be read from this server");
    }
    std::this_thread::sleep_for(kPause);
  }
}

std::optional<Error> NatsLog::take(std::uint64_t sequence, std::string_view message) {
  auto commit = assembly_.add(message);
  if (!commit) {
    mark_ = sequence;
    word_.reset();
    unreadable_.fetch_add(1);
    log_warning(fmt::format("a message of the event log is skipped stream={} sequence={}: {}",
                            options_.stream, sequence, commit.error().text()));
    return std::nullopt;
  }
  std::optional<Error> failed;
  if (*commit && leaves_gap(**commit)) failed = take_what_replaced_ours();
  const auto part = read_part(message);
  mark_ = sequence;
  word_ = Nats::Word{part->commit, part->part};
  if (!failed && *commit) failed = absorb(std::move(**commit));
  if (failed && failed->code() == Errc::stale && is_anew_) {
    // There is nothing here that it could contradict but the stream itself.
    unreadable_.fetch_add(1);
    log_warning(
        fmt::format("a message that contradicts the stream is skipped stream={} sequence={}",
                    options_.stream, sequence));
    return std::nullopt;
  }
  if (failed) {
    // All its parts are read again then; this is the last of them.
    mark_ = sequence - 1 - part->part;
    word_.reset();
  }
  return failed;
}

bool NatsLog::leaves_gap(const Commit& commit) const {
  for (std::size_t i = 0; i < event::kChannels; ++i) {
    const event::Position last = replica_->last(static_cast<event::Channel>(i));
    if (last > 0 && commit.next[i] > last + 1) return true;
  }
  return false;
}

std::optional<Error> NatsLog::absorb(Commit commit) {
  if (auto failed = repeat(commit)) return failed;
  if (own_ == commit.id) {
    own_.reset();
    return std::nullopt;
  }
  Foreign foreign;
  Firsts next = commit.next;
  for (const event::Event& event : commit.events) {
    foreign.positions.push_back(next[index_of(event.channel())]++);
  }
  foreign.events = std::move(commit.events);
  foreign.notes = std::move(commit.notes);
  if (is_open_) foreign_.push_back(std::move(foreign));
  return std::nullopt;
}

// Into the replica, all of it or, when that fails, to be read from the stream again.
std::optional<Error> NatsLog::repeat(const Commit& commit) {
  for (std::size_t i = 0; i < event::kChannels; ++i) {
    if (commit.next[i] > replica_->last(static_cast<event::Channel>(i))) continue;
    return Error(Errc::stale, "the stream and its replica differ");
  }
  if (auto failed = replica_->skip_to(commit.next)) return failed;
  if (auto failed = replica_->restate(commit.states)) return failed;
  replica_->trim_to(commit.trim);
  std::vector<Note> notes = commit.notes;
  std::string mark = id_ + " ";
  put_u64(mark, mark_);
  put_u64(mark, commit.id);
  notes.push_back({std::string(kMarkNote), std::move(mark)});
  const auto appended = replica_->append(commit.events, notes, commit.arrival);
  if (!appended) return appended.error();
  return std::nullopt;
}

Result<std::vector<Foreign>> NatsLog::catch_up() {
  auto failed = connect();
  if (!failed) {
    failed = pull(mark_);
    if (failed && failed->code() == Errc::unavailable) leave_server();
  }
  if (failed && foreign_.empty()) return tl::unexpected(failed->within("event log"));
  return std::exchange(foreign_, {});
}

Damage NatsLog::damage() const {
  Damage damage = replica_->damage();
  damage.repairs += unreadable_.load();
  // Whoever opens the log finds notes and states as the stream has them.
  damage.has_lost_notes = damage.has_lost_states = false;
  return damage;
}

}  // namespace isochrone::collector
