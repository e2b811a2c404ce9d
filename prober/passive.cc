// SPDX-License-Identifier: Apache-2.0
#include "prober/passive.h"

#include <utility>

#include "base/log.h"

namespace isochrone::prober {

Passive::Passive(Loop& loop, std::optional<TcpDiag> diag, const Options& options,
                 std::uint64_t seed, PassiveCounters& counters, Campaign::Report report)
    : loop_(loop),
      options_(options.passive),
      counters_(counters),
      report_(std::move(report)),
      opt_out_({}, options.allow_private),
      diag_(std::move(diag)),
      tally_(seed),
      sweep_(loop, [this] { begin_sweep(); }),
      tick_(loop, [this] { read_pieces(); }),
      log_look_(loop, [this] { look_at_log(); }) {
  if (!options_.log.empty()) {
    log_.emplace(options_.log);
    log_look_.start(kLogLook, kLogLook);
  }
  sweep_.start(diag_ ? Millis(0) : options_.interval, options_.interval);
}

void Passive::begin_sweep() {
  if (!families_left_.empty()) return counters_.sweeps_put_off.add();
  const Monotonic now = loop_.now();
  // Before the first sweep, what was acknowledged within an interval is as good as new.
  since_ = round_ == 0 ? options_.interval
                       : std::chrono::duration_cast<Millis>(now - std::exchange(swept_, now));
  if (round_ == 0) swept_ = now;
  ++round_;
  if (!diag_) return end_sweep();
  families_left_ = {Family::v6, Family::v4};
  begin_family();
}

void Passive::begin_family() {
  if (const auto begun = diag_->begin(families_left_.back(), options_.ports); !begun) {
    counters_.refused.add();
    if (!std::exchange(is_silent_, true)) log_warning("prober passive: " + begun.error().text());
    return end_sweep();
  }
  tick_.start(Millis(0), kTick);
}

void Passive::read_pieces() {
  for (int i = 0; i < kPiecesPerTick; ++i) {
    read_.clear();
    const Piece piece = diag_->read(read_);
    for (const Connection& one : read_) {
      counters_.connections.add();
      if (opt_out_.check(one.client) == Refusal::none) tally_.add(one, since_);
    }
    if (piece == Piece::more) continue;
    if (piece == Piece::broken) counters_.refused.add();
    families_left_.pop_back();
    tick_.stop();
    return families_left_.empty() ? end_sweep() : begin_family();
  }
}

void Passive::end_sweep() {
  families_left_.clear();
  tally_.end_sweep();
  tally_.tell(loop_.wall(), round_, [this](const Observation& seen) {
    (seen.rtt ? counters_.rtts : counters_.losses).add();
    report_(seen);
  });
  counters_.sweeps.add();
}

void Passive::look_at_log() {
  const std::size_t too_long = log_->too_long();
  const std::size_t rotations = log_->rotations();
  log_->look([this](std::string_view line) {
    counters_.lines.add();
    const auto rtt = parse_rtt_line(line, options_.address_field);
    if (!rtt) return counters_.lines_skipped.add();
    if (opt_out_.check(rtt->client) == Refusal::none) tally_.add(rtt->client, rtt->rtt);
  });
  counters_.lines_skipped.add(log_->too_long() - too_long);
  counters_.rotations.add(log_->rotations() - rotations);
}

}  // namespace isochrone::prober
