// SPDX-License-Identifier: Apache-2.0
//
// Mutated packets: good messages broken at random, sent by the thousand, and what may be said to them.
//
// Order: in lockstep, a batch and then its replies, so that no buffer decides what is lost and the same
//        seed always asks the same.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/ip.h"
#include "base/random.h"

namespace isochrone::test {

using Packet = std::vector<std::uint8_t>;

class Mutator {
 public:
  // Starts from every file in these folders.
  Mutator(std::uint64_t seed, const std::vector<std::string>& folders);
  // Between 2 and 4096 octets; the first two are `id`.
  Packet next(std::uint16_t id);
  std::size_t seeds() const { return seeds_.size(); }
  Random& random() { return random_; }

 private:
  const Packet& any_seed() { return seeds_[random_.below(seeds_.size())]; }
  void mutate(Packet& packet);

  Random random_;
  std::vector<Packet> seeds_;
};

// Counts of what was sent and what came back.
struct Tally {
  std::uint64_t sent = 0;
  std::uint64_t answerable = 0;  // no response, and a whole header
  std::uint64_t replies = 0;
  std::uint64_t undeserved = 0;  // replies to what is not answerable, or to nothing
  std::uint64_t too_large = 0;   // more than three times the question, without TC
  std::uint64_t connections = 0;
};

// Both wait for every reply that is due; what does not come within some seconds is not counted.
void flood_udp(const Endpoint& server, Mutator& mutator, std::uint64_t packets, Tally& tally);
// Some tens of messages on each connection, now and then with a length that lies.
void flood_tcp(const Endpoint& server, Mutator& mutator, std::uint64_t packets, Tally& tally);

// The whole test against a daemon of its own: so many packets in all, a tenth of them over TCP.
void survive(std::uint64_t packets);

}  // namespace isochrone::test
