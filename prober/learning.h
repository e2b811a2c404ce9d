// SPDX-License-Identifier: Apache-2.0
//
// Learning: by which method and at which address a target is probed, from what answered before.
//
// Settled:   a pair of method and address that answered is kept until kPatience probes of it in a row
//            were lost. Every kTrialRounds rounds one probe looks whether a method that is preferred to
//            it answers by now, or whether a hop answers behind the last one.
// Searching: each probe tries the next pair: what answered last, then the other methods in the order
//            of the configuration, each with another address, hops last, until every pair had its
//            turn; then again. A new target, and one that just fell silent, searches with kEager turns beside
//            those of its rounds, one right after the other's outcome.
// Threads:   pure functions on a value of the prober's loop.
// Cost:      O(methods + addresses), a dozen comparisons.
#pragma once

#include <cstdint>
#include <span>

#include "prober/probe.h"
#include "prober/target.h"

namespace isochrone::prober {

// At 5 % loss three in a row are one in 8000: rarer than hosts that go away.
constexpr std::uint8_t kPatience = 3;
// Five minutes of ten-second rounds: what a trial costs is one probe in a hundred.
constexpr std::uint32_t kTrialRounds = 32;

struct Choice {
  std::uint32_t address = 0;  // indices, as in Target
  std::uint32_t method = 0;
  std::uint8_t ttl = 0;
  bool is_trial = false;
};

// `may_try`: this is the target's turn for a trial, if it has any to make.
Choice choose(const Target& target, std::span<const Method> methods, bool may_try);

// Both say whether what happened to `probe` is a measurement of the path: an answer of the last hop is,
// one of a hop on the way is not; a loss is one of the pair that answered last, or of the first pair
// while nothing ever answered. Of any other pair silence is all that was ever heard.
bool note_answer(Target& target, std::span<const Method> methods, const Probe& probe,
                 bool is_final);
bool note_loss(Target& target, std::span<const Method> methods, const Probe& probe);

// Whether a search goes on at once; takes one of its turns.
bool takes_eager_turn(Target& target) noexcept;

// After a reload: indices into `before` become indices into `after`.
void follow_methods(Target& target, std::span<const Method> before, std::span<const Method> after);

}  // namespace isochrone::prober
