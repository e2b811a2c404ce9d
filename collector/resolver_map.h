// SPDX-License-Identifier: Apache-2.0
//
// ResolverMap: for which client networks a resolver asks, and in what shares, learnt from beacon tasks.
//
// Each task has a name of its own. The DNS sees which resolver asks for it, the beacon's doors see from
// which network it is reported; together they are one observation. They are counted by the ten seconds
// in which the task was given out, which its number says, so any order of arrival gives the same map. Such a slot is
// closed when no token of it can be reported any more; then older shares decay and the new ones are added.
//
// Threads:  one thread.
// Units:    a weight of kTask is one task a moment ago; it halves in kHalfLife.
// Limits:   kMaxOpenTasks in open slots, kMaxResolvers, kMaxNetworks of a resolver (the heaviest),
//           kMaxOfResolvers for one task, kMaxPerSlot tasks of one pair in a slot.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ip.h"
#include "base/time.h"
#include "event/beacon_label.h"

namespace isochrone::collector {

class ResolverMap {
 public:
  static constexpr std::size_t kMaxOpenTasks = 200'000;
  static constexpr std::size_t kMaxResolvers = 20'000;
  static constexpr std::size_t kMaxNetworks = 32;
  static constexpr std::size_t kMaxOfResolvers =
      4;  // of one name: those that a client has configured
  static constexpr std::uint32_t kMaxPerSlot = 4;
  static constexpr std::uint32_t kTask = 1'024;
  static constexpr Seconds kSlot{10};
  static constexpr std::int64_t kHalfLife = 8'640;  // slots: users come and go by days

  struct Share {
    Prefix network;
    std::uint32_t weight = 0;
    friend bool operator==(const Share&, const Share&) = default;
  };
  struct Mix {
    std::int64_t slot = 0;      // since 1970, as of which the weights are
    std::vector<Share> shares;  // by network
    std::uint64_t weight() const noexcept;
    friend bool operator==(const Mix&, const Mix&) = default;
  };

  // `lifetime`: of the tokens; a slot takes observations for so long after its end, and half a minute
  // more for events on their way.
  explicit ResolverMap(Seconds lifetime) : lifetime_(lifetime) {}
  void set_lifetime(Seconds lifetime) noexcept { lifetime_ = lifetime; }

  // False when the slot of the task is closed, lies ahead, or there is no room.
  bool saw_client(event::BeaconNumber task, const Prefix& network, Instant now);
  bool saw_resolver(event::BeaconNumber task, const Address& resolver, Instant now);

  // Closes what is over; the resolvers whose mixes are others now, in order.
  std::vector<Address> close(Instant now);
  // Those whose turn it is by now, so that each has one in every `round`.
  std::vector<Address> due(Instant now, Nanos round);
  // Everything before this is closed: what a restart has to read again begins here.
  Instant closed_until() const noexcept { return Instant(kSlot * closed_); }
  // The clock was set back.
  void forget_the_future(Instant now);

  const std::map<Address, Mix>& mixes() const noexcept { return mixes_; }
  const Mix* find(const Address& resolver) const;
  std::size_t open_tasks() const noexcept { return open_tasks_; }

  // What is kept of a resolver; empty when there is nothing to keep.
  std::string record(const Address& resolver) const;
  // A record of an earlier life; false, and nothing is changed, when it cannot be read.
  bool restore(const Address& resolver, std::string_view record);
  void restore_closed_until(Instant until) noexcept;

 private:
  struct Halves {
    std::optional<Prefix> network;
    std::vector<Address> resolvers;  // the first few by address
  };
  using Slot = std::unordered_map<event::BeaconNumber, Halves>;

  Halves* halves_of(event::BeaconNumber task, Instant now);
  void close_first(std::map<Address, bool>& changed);

  Seconds lifetime_;
  std::int64_t closed_ = 0;  // the first slot that is not
  std::size_t open_tasks_ = 0;
  std::map<std::int64_t, Slot> open_;
  std::map<Address, Mix> mixes_;
  Instant asked_{};  // when due() was asked last
  Address last_due_{};
};

}  // namespace isochrone::collector
