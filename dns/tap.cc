// SPDX-License-Identifier: Apache-2.0
#include "dns/tap.h"

#include <fmt/format.h>

#include <future>
#include <utility>

#include "base/log.h"
#include "dns/tap_backlog.h"
#include "dns/tap_file.h"
#include "dns/tap_messages.h"
#include "dns/tap_socket.h"
#include "event/backoff.h"

namespace isochrone::dns {
namespace {

// A ring holds several times what comes in so long; workers ring no bell, which would be a system call.
constexpr Millis kTick{10};
// Orders to reopen and to end wait no longer than for so many writes.
constexpr unsigned kWritesPerTurn = 64;
// So that no busy worker keeps the others waiting.
constexpr unsigned kRecordsPerTurn = 256;
constexpr Millis kFirstPause{100};
constexpr Millis kLongestPause{10'000};

std::unique_ptr<TapSink> make_sink(Loop& loop, const TapOptions& options,
                                   std::function<void()> ready) {
  if (options.file.empty()) return std::make_unique<TapSocket>(loop, options, std::move(ready));
  return std::make_unique<TapFile>(options.file, [&loop] { return loop.wall(); });
}

std::string place_of(const TapOptions& options) {
  if (options.tcp) return options.tcp->to_string();
  return options.file.empty() ? options.socket.string() : options.file.string();
}

}  // namespace

// Everything here runs in the tap's thread.
class Tap::Writer {
 public:
  Writer(Tap& tap, const TapOptions& options)
      : tap_(tap),
        loop_(tap.thread_.loop()),
        place_(place_of(options)),
        messages_(options.identity, options.version),
        sink_(make_sink(loop_, options, [this] { pump(); })),
        pause_(kFirstPause, kLongestPause,
               static_cast<std::uint64_t>(unix_nanos(tap.thread_.loop().wall()))),
        tick_(loop_, [this] { pump(); }),
        again_(loop_, [this] { pump(); }),
        farewell_(loop_, [this] { tell_ended(); }) {
    tick_.start(kTick, kTick);
    pump();
  }

  void reopen() {
    pump();  // what was answered before belongs to the old one
    sink_->reopen();
    next_try_ = {};
    pump();
  }

  // `ended` is called when everything is written, or that was waited for long enough.
  void end(std::function<void()> ended) {
    ended_ = std::move(ended);
    farewell_.start(kFarewell);
    pump();
  }

 private:
  void pump() {
    if (auto done = turn(); !done) failed(done.error());
    tap_.is_connected_.store(sink_->state() == TapSink::State::open, std::memory_order_relaxed);
    // Nobody is there to take the rest.
    if (ended_ && sink_->state() == TapSink::State::closed) tell_ended();
  }

  Result<void> turn() {
    const Monotonic now = loop_.now();
    if (sink_->state() == TapSink::State::closed) {
      if (has_ended_ || now < next_try_) return {};
      if (auto opened = sink_->open(now); !opened) return opened;
    }
    if (auto gone = sink_->step(now); !gone) return gone;
    return sink_->state() == TapSink::State::open ? write() : Result<void>();
  }

  Result<void> write() {
    if (!has_told_failure_) tell_well();
    for (unsigned writes = 0; writes < kWritesPerTurn; ++writes) {
      if (backlog_.is_empty()) fill();
      if (backlog_.is_empty()) {
        if (ended_ && !std::exchange(has_ended_, true)) sink_->end();
        return {};
      }
      auto taken = sink_->write(backlog_.rest());
      if (!taken) return tl::unexpected(taken.error());
      if (const std::size_t frames = backlog_.took(*taken); frames > 0) {
        tap_.written_.add(frames);
        pause_.reset();
        tell_well();
      }
      if (!backlog_.is_empty()) return {};  // the sink tells when it can go on
    }
    again_.start(Millis(0));
    return {};
  }

  // From all rings in turn, until they are empty or the backlog is full.
  void fill() {
    for (bool is_more = true; is_more;) {
      is_more = false;
      for (TapPoint& point : tap_.points_) is_more |= take_from(point.ring());
    }
  }

  bool take_from(TapRing& ring) {
    for (unsigned i = 0; i < kRecordsPerTurn; ++i) {
      if (backlog_.is_full()) return false;
      const Bytes record = ring.front();
      if (record.empty()) return false;
      messages_.add(read_record(record), backlog_);
      ring.pop();
    }
    return true;
  }

  void failed(const Error& error) {
    backlog_.rewind();
    next_try_ = loop_.now() + pause_.next();
    is_told_well_ = false;
    // Who closes instead of saying that it has heard the end has heard it, too.
    if (has_ended_ || std::exchange(has_told_failure_, true)) return;
    log_warning(fmt::format(
        "dnstap is not written, answers go on and frames are dropped to={} reason=\"{}\"", place_,
        error.text()));
  }

  // After a failure only when a frame was taken: the next attempt may fail as well.
  void tell_well() {
    has_told_failure_ = false;
    if (std::exchange(is_told_well_, true)) return;
    log_info(fmt::format("dnstap is written to={}", place_));
  }

  void tell_ended() {
    if (ended_) std::exchange(ended_, nullptr)();
  }

  Tap& tap_;
  Loop& loop_;
  const std::string place_;
  TapMessages messages_;
  TapBacklog backlog_;
  std::unique_ptr<TapSink> sink_;
  event::Backoff pause_;
  Monotonic next_try_{};
  bool is_told_well_ = false;
  bool has_told_failure_ = false;
  bool has_ended_ = false;
  std::function<void()> ended_;
  Timer tick_;
  Timer again_;
  Timer farewell_;
};

Tap::Tap(const TapOptions& options, unsigned workers) : thread_("dns-tap") {
  for (unsigned i = 0; i < workers; ++i) points_.emplace_back(options.queries, options.answers);
  thread_.call([&] { writer_ = std::make_unique<Writer>(*this, options); });
}

Tap::~Tap() {
  end();
  thread_.call([this] { writer_.reset(); });
}

void Tap::end() {
  if (has_ended_.exchange(true)) return;
  const auto ended = std::make_shared<std::promise<void>>();
  thread_.post([this, ended] { writer_->end([ended] { ended->set_value(); }); });
  ended->get_future().wait();
}

void Tap::reopen() {
  thread_.call([this] { writer_->reopen(); });
}

Tap::Status Tap::status() const {
  Status status{written_.value(), 0, is_connected_.load(std::memory_order_relaxed)};
  for (const TapPoint& point : points_) status.dropped += point.dropped();
  return status;
}

}  // namespace isochrone::dns
