// SPDX-License-Identifier: Apache-2.0
#include "base/http_streams.h"

#include <pthread.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>
#include <vector>

#include "base/worker.h"

namespace isochrone {
namespace {

constexpr std::uint64_t kStop = 0;  // no stream has this number
// How often readers that take nothing are looked for.
constexpr Millis kLook{1'000};

std::int64_t now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<Millis>(now).count();
}

// The last one to go closes what its holder forgot.
class StreamHandle final : public HttpStream {
 public:
  explicit StreamHandle(std::shared_ptr<PendingStream> pending) : pending_(std::move(pending)) {}
  ~StreamHandle() override { pending_->close(); }
  bool write(std::shared_ptr<const std::string> bytes) override {
    return pending_->write(std::move(bytes));
  }
  bool has_room() const override { return pending_->has_room(); }
  void close() override { pending_->close(); }
  bool is_open() const override { return pending_->is_open(); }

 private:
  std::shared_ptr<PendingStream> pending_;
};

}  // namespace

PendingStream::PendingStream(HttpStreamer& streamer, std::uint64_t number, HttpLine& line)
    : streamer_(streamer), number_(number) {
  state_.with([&](State& state) { state.line = &line; });
}

std::shared_ptr<HttpStream> PendingStream::handle() {
  return std::make_shared<StreamHandle>(shared_from_this());
}

bool PendingStream::write(Bytes bytes) {
  return state_.with([&](State& state) {
    if (state.line == nullptr || state.is_closing) return false;
    if (state.queued_bytes - state.sent + bytes->size() > streamer_.max_backlog_bytes_) {
      finish(state, true);
      return false;
    }
    if (state.queue.empty()) state.moved_at_ms = now_ms();
    state.queued_bytes += bytes->size();
    state.queue.push_back(std::move(bytes));
    if (state.queue.size() == 1) flush(state);
    return state.line != nullptr;
  });
}

bool PendingStream::has_room() const {
  return state_.with([](const State& state) { return state.queue.empty(); });
}

void PendingStream::close() {
  state_.with([&](State& state) {
    state.is_closing = true;
    if (state.line != nullptr && state.queue.empty()) finish(state, false);
  });
}

bool PendingStream::is_open() const {
  return state_.with([](const State& state) { return state.line != nullptr && !state.is_closing; });
}

void PendingStream::gone() {
  state_.with([&](State& state) {
    if (state.line == nullptr) return;
    streamer_.forget(number_, state.line->descriptor());
    state.line = nullptr;
    state.queue.clear();
  });
}

// Sends what the socket takes now; edge-triggered, the streamer is told when it takes more.
void PendingStream::flush(State& state) {
  while (!state.queue.empty()) {
    const std::string_view rest = std::string_view(*state.queue.front()).substr(state.sent);
    const auto sent = rest.empty() ? 0 : state.line->send(rest);
    if (sent < 0) return finish(state, true);
    if (sent > 0) state.moved_at_ms = now_ms();
    state.sent += static_cast<std::size_t>(sent);
    if (state.sent < state.queue.front()->size()) {
      if (sent == 0) return;
      continue;
    }
    state.queued_bytes -= state.sent;
    state.sent = 0;
    state.queue.pop_front();
  }
  if (state.is_closing) finish(state, false);
}

void PendingStream::finish(State& state, bool is_cut) {
  HttpLine* line = std::exchange(state.line, nullptr);
  state.queue = {};
  state.queued_bytes = 0;
  state.sent = 0;
  streamer_.forget(number_, line->descriptor());
  is_cut ? line->cut() : line->end_sending();
  line->resume();  // the last that is done with it: the library closes the connection
}

void PendingStream::wake(bool has_gone, std::int64_t stalled_since_ms) {
  state_.with([&](State& state) {
    if (state.line == nullptr) return;
    const bool is_stalled = !state.queue.empty() && state.moved_at_ms < stalled_since_ms;
    if (has_gone || is_stalled) return finish(state, true);
    flush(state);
  });
}

HttpStreamer::HttpStreamer(std::size_t max_backlog_bytes, Millis idle)
    : max_backlog_bytes_(max_backlog_bytes), idle_(idle), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kStop;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_.descriptor(), &event);
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "streams");
    work_in_background();
    run();
  });
}

HttpStreamer::~HttpStreamer() {
  stop();
  is_stopping_.store(true);
  stop_.ring();
  thread_.join();
}

std::shared_ptr<PendingStream> HttpStreamer::open(HttpLine& line, std::string head) {
  line.suspend();
  const std::uint64_t number = next_.fetch_add(1);
  auto stream = std::make_shared<PendingStream>(*this, number, line);
  open_.with([&](auto& open) { open.emplace(number, stream); });
  stream->write(std::make_shared<const std::string>(std::move(head)));
  // After the first bytes: whatever happens until then is told when it is added.
  epoll_event event{};
  event.events = EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = number;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, line.descriptor(), &event);
  return stream;
}

void HttpStreamer::forget(std::uint64_t number, int socket) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket, nullptr);
  // What is erased may be the last owner of the stream whose lock is held: it is kept until then.
  open_.with([&](auto& open) { open.erase(number); });
}

void HttpStreamer::stop() {
  std::vector<std::shared_ptr<PendingStream>> left;
  open_.with([&](auto& open) {
    for (const auto& [number, stream] : open) left.push_back(stream);
  });
  for (const auto& stream : left) stream->wake(true, 0);
}

std::size_t HttpStreamer::size() const {
  return open_.with([](const auto& open) { return open.size(); });
}

void HttpStreamer::run() {
  std::array<epoll_event, 256> events{};
  std::int64_t next_look = now_ms() + kLook.count();
  while (!is_stopping_.load()) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   static_cast<int>(kLook.count()));
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      const auto stream = open_.with([&](const auto& open) {
        const auto found = open.find(event.data.u64);
        return found == open.end() ? nullptr : found->second;
      });
      if (stream) stream->wake((event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0, 0);
    }
    if (now_ms() < next_look) continue;
    next_look = now_ms() + kLook.count();
    look_for_stalled();
  }
}

void HttpStreamer::look_for_stalled() {
  std::vector<std::shared_ptr<PendingStream>> all;
  open_.with([&](auto& open) {
    for (const auto& [number, stream] : open) all.push_back(stream);
  });
  const std::int64_t since = now_ms() - idle_.count();
  for (const auto& stream : all) stream->wake(false, since);
}

}  // namespace isochrone
