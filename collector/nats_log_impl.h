// SPDX-License-Identifier: Apache-2.0
//
// NatsLog: the shared log; nats_log.cc appends and repeats, nats_log_trim.cc gives up what is old.
//
// Threads: as EventLog says; everything that is not the replica belongs to the thread that appends.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collector/commit.h"
#include "collector/nats_log.h"
#include "collector/rocksdb_log.h"

namespace isochrone::collector {

class NatsLog final : public EventLog {
 public:
  NatsLog(NatsOptions options, std::filesystem::path folder)
      : options_(std::move(options)), folder_(std::move(folder)) {}

  std::optional<Error> begin();

  Result<std::vector<event::Position>> append(const std::vector<event::Event>& events,
                                              const std::vector<Note>& notes, Instant now) override;
  Result<std::vector<Foreign>> catch_up() override;
  Page read(event::Channel channel, event::Position after, std::size_t limit,
            const Only& only) const override {
    return replica_->read(channel, after, limit, only);
  }
  std::optional<Found> find(const event::EventId& id) const override { return replica_->find(id); }
  event::Position before(event::Channel channel, Instant since) const override {
    return replica_->before(channel, since);
  }
  event::Position last(event::Channel channel) const override { return replica_->last(channel); }
  event::Position first(event::Channel channel) const override { return replica_->first(channel); }
  std::uint64_t bytes(event::Channel channel) const override { return replica_->bytes(channel); }
  void newest_states(const std::function<void(std::string_view)>& take) const override {
    replica_->newest_states(take);
  }
  std::optional<std::string> note(std::string_view key) const override {
    return replica_->note(key);
  }
  void notes(std::string_view prefix,
             const std::function<void(std::string_view, std::string_view)>& take) const override {
    replica_->notes(prefix, take);
  }
  std::size_t trim(const Retention& keep, Instant now, std::size_t limit) override;
  std::vector<event::Event> owed(std::size_t most) override;
  void settle() override;
  const std::string& id() const override { return id_; }
  Damage damage() const override;

 private:
  using Clock = std::chrono::steady_clock;

  std::optional<Error> open_replica(const Nats::Stream& stream);
  Result<bool> is_replica(const RocksDbLog& known, const Nats::Stream& stream);
  std::optional<Error> read_stream(const Nats::Stream& stream);
  std::optional<Error> set_aside();
  std::optional<Error> keep_other(const std::string& log_id);
  std::optional<Error> confirm_word();
  bool is_short_for_long();
  std::vector<event::Event> owed_of(const RocksDbLog& before, event::Channel channel) const;
  std::filesystem::path aside(std::size_t number) const;
  Result<bool> has_word();
  std::optional<Error> look_at_word();
  std::optional<Error> connect();
  void leave_server();
  std::optional<Error> write(const Commit& commit);
  std::optional<Error> look_for(std::uint64_t commit, bool& is_stored);
  std::optional<Error> pull(std::uint64_t until);
  std::optional<Error> take(std::uint64_t sequence, std::string_view message);
  bool leaves_gap(const Commit& commit) const;
  std::optional<Error> take_what_replaced_ours();
  std::optional<Error> absorb(Commit commit);
  std::optional<Error> repeat(const Commit& commit);
  Commit commit_of(Instant now) const;
  // nats_log_trim.cc
  struct Checkpoint {
    std::uint64_t begin = 0;  // the sequence it begins at
    std::vector<std::string> keys;
    std::vector<StoredBytes> states;
    std::size_t key = 0;
    std::size_t state = 0;
    std::uint64_t bytes = 0;
  };
  Result<std::uint64_t> reclaimable(const Nats::Stream& stream);
  bool give_up_old(Instant now);
  void begin_checkpoint();
  bool go_on_with_checkpoint(Instant now);

  const NatsOptions options_;
  const std::filesystem::path folder_;
  std::unique_ptr<Nats> nats_;  // null: no connection
  std::size_t server_ = 0;
  Clock::time_point next_connect_{};
  bool is_away_ = false;  // the last append found no quorum: the next does not wait as long
  std::unique_ptr<RocksDbLog> replica_;
  std::string id_;
  bool is_open_ = false;
  bool is_anew_ = false;            // read from its start into a replica that was empty
  std::uint64_t mark_ = 0;          // the sequence of the last message that was read
  std::optional<Nats::Word> word_;  // what that message is, where it is known
  bool is_word_said_ = false;       // by us, and others' that follow were not read yet
  bool is_aside_unread_ = false;    // something that was set aside cannot be opened
  std::optional<Clock::time_point> short_since_;  // the stream ends before it
  Assembly assembly_;
  std::optional<std::uint64_t> own_;  // the commit that is looked for; none: it was found
  struct Said {
    std::uint64_t sequence;
    std::uint64_t commit;
  };
  std::deque<Said> said_;  // what we were told is stored, and did not read
  std::vector<Foreign> foreign_;
  std::atomic<std::uint64_t> unreadable_{0};  // messages
  std::optional<Checkpoint> checkpoint_;
};

}  // namespace isochrone::collector
