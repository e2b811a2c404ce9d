// SPDX-License-Identifier: Apache-2.0
#include "base/http_pending.h"

#include <algorithm>
#include <utility>

namespace isochrone {
namespace {

// The handles: the last one to go settles what its holder forgot.
class ReplyHandle final : public HttpReplyLater {
 public:
  explicit ReplyHandle(std::shared_ptr<PendingReply> pending) : pending_(std::move(pending)) {}
  ~ReplyHandle() override { pending_->reply(http_error(500, "the request was given up")); }
  bool reply(HttpResponse response) override { return pending_->reply(std::move(response)); }
  bool is_open() const override { return pending_->is_open(); }

 private:
  std::shared_ptr<PendingReply> pending_;
};

class StreamHandle final : public HttpStream {
 public:
  explicit StreamHandle(std::shared_ptr<PendingStream> pending) : pending_(std::move(pending)) {}
  ~StreamHandle() override { pending_->close(); }
  bool write(std::string bytes) override { return pending_->write(bytes); }
  void close() override { pending_->close(); }
  bool is_open() const override { return pending_->is_open(); }

 private:
  std::shared_ptr<PendingStream> pending_;
};

}  // namespace

PendingReply::PendingReply(HttpLine& line) : state_(State{&line, false, {}}) { line.suspend(); }

std::shared_ptr<HttpReplyLater> PendingReply::handle() {
  return std::make_shared<ReplyHandle>(shared_from_this());
}

bool PendingReply::reply(HttpResponse response) {
  return state_.with([&](State& state) {
    if (state.line == nullptr || state.is_answered) return false;
    const bool is_heard = state.line->peer_waits();
    state.is_answered = true;
    state.response = std::move(response);
    state.line->resume();  // also when the peer has gone: that is how the connection ends
    return is_heard;
  });
}

bool PendingReply::is_open() const {
  return state_.with([](const State& state) {
    return state.line != nullptr && !state.is_answered && state.line->peer_waits();
  });
}

std::optional<HttpResponse> PendingReply::take() {
  return state_.with([](State& state) { return std::exchange(state.response, std::nullopt); });
}

void PendingReply::end() { reply(http_error(503, "the server is stopping", "try again")); }

void PendingReply::gone() {
  state_.with([](State& state) { state.line = nullptr; });
}

PendingStream::PendingStream(HttpLine& line, std::string first, std::size_t max_backlog_bytes)
    : max_backlog_bytes_(max_backlog_bytes),
      state_(State{&line, std::move(first), 0, false, false, false}) {}

std::shared_ptr<HttpStream> PendingStream::handle() {
  return std::make_shared<StreamHandle>(shared_from_this());
}

PendingStream::Read PendingStream::read(char* to, std::size_t size, std::size_t& moved) {
  return state_.with([&](State& state) {
    if (state.is_cut) return Read::broken;
    moved = std::min(size, state.backlog.size() - state.sent);
    if (moved > 0) {
      state.backlog.copy(to, moved, state.sent);
      state.sent += moved;
      if (state.sent == state.backlog.size()) {
        state.backlog.clear();
        state.sent = 0;
      }
      return Read::bytes;
    }
    if (state.is_closed || state.line == nullptr) return Read::finished;
    state.is_suspended = true;
    state.line->suspend();
    return Read::nothing_yet;
  });
}

void PendingStream::wake(State& state) {
  if (state.line != nullptr && std::exchange(state.is_suspended, false)) state.line->resume();
}

bool PendingStream::write(std::string_view bytes) {
  return state_.with([&](State& state) {
    if (state.line == nullptr || state.is_closed || state.is_cut) return false;
    if (state.backlog.size() - state.sent + bytes.size() > max_backlog_bytes_) {
      state.is_cut = true;
      state.backlog = {};
      state.sent = 0;
      state.line->cut();
      wake(state);
      return false;
    }
    if (state.sent > state.backlog.size() / 2) {  // amortised: each byte is moved at most once more
      state.backlog.erase(0, std::exchange(state.sent, 0));
    }
    state.backlog.append(bytes);
    wake(state);
    return true;
  });
}

void PendingStream::close() {
  state_.with([](State& state) {
    state.is_closed = true;
    wake(state);
  });
}

bool PendingStream::is_open() const {
  return state_.with([](const State& state) {
    return state.line != nullptr && !state.is_closed && !state.is_cut && state.line->peer_waits();
  });
}

void PendingStream::gone() {
  state_.with([](State& state) {
    state.line = nullptr;
    state.backlog = {};
    state.sent = 0;
  });
}

}  // namespace isochrone
