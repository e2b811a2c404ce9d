// SPDX-License-Identifier: Apache-2.0
#include "collector/readers.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.h"
#include "base/mailbox.h"
#include "base/worker.h"

namespace isochrone::collector {
namespace {

// Polls whose time is over are answered so late at most.
constexpr Millis kTick{50};
// Streams are filled this often; what arrives in between goes out together.
constexpr Millis kPace{20};
// While any of them is behind.
constexpr Millis kHurry{1};
// Pages of streams end at multiples of it, so that readers who fell behind meet again on the same page.
constexpr std::size_t kStreamPage = 500;
// Proxies drop connections on which nothing moves for a minute.
constexpr Seconds kStreamComment{15};

using Text = std::shared_ptr<const std::string>;

// Whatever two streams have to agree in to share a page, but for where they are.
std::string kind_of(const Read& read) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", event::to_string(read.channel), read.site,
                     read.prefix, read.task, read.filter ? read.filter->text() : "",
                     static_cast<const void*>(read.rules.get()), read.limit,
                     read.to ? unix_nanos(*read.to) : 0);
}

}  // namespace

class Readers::Polls {
 public:
  explicit Polls(const EventLog& log) : log_(log) {
    std::promise<void> ready;
    worker_ = std::make_unique<Worker>("polls", std::nullopt, [this, &ready](Loop& loop) {
      Here here(*this, loop);
      here_ = &here;
      ready.set_value();
      loop.run();
    });
    ready.get_future().wait();
  }
  ~Polls() { worker_.reset(); }

  void post(Read read, std::shared_ptr<HttpReplyLater> reply) {
    here_->mailbox.post({std::move(read), {}, std::move(reply)});
  }
  void grown() { here_->news.notify(); }
  void dismiss() {
    is_dismissed_.store(true);
    here_->news.notify();
  }
  std::size_t size() const noexcept { return size_.load(); }

 private:
  struct Poll {
    Read read;
    Instant deadline;
    std::shared_ptr<HttpReplyLater> reply;
  };
  // What lives in the thread.
  struct Here {
    Here(Polls& polls, Loop& running)
        : loop(running),
          mailbox(loop, [&polls](std::vector<Poll> polled) { polls.take(std::move(polled)); }),
          news(loop, [&polls] { polls.serve(); }),
          timer(loop, [&polls] { polls.serve(); }) {
      timer.start(kTick, kTick);
    }
    Loop& loop;
    Mailbox<Poll> mailbox;
    Wakeup news;
    Timer timer;
  };

  void take(std::vector<Poll> polled) {
    const Instant now = here_->loop.wall();
    for (Poll& poll : polled) {
      if (waiting_.size() >= kMaxFollowers) {
        poll.reply->reply(http_error(503, "too many readers are waiting", "try again later"));
        continue;
      }
      poll.deadline = now + poll.read.wait;
      if (!is_answered(poll, now)) waiting_.push_back(std::move(poll));
    }
    size_.store(waiting_.size());
  }
  void serve() {
    const Instant now = here_->loop.wall();
    if (is_dismissed_.exchange(false)) {
      for (Poll& poll : waiting_) poll.deadline = now;
    }
    std::erase_if(waiting_, [&](Poll& poll) { return is_answered(poll, now); });
    size_.store(waiting_.size());
  }
  bool is_answered(Poll& poll, Instant now) {
    const bool is_over = now >= poll.deadline;
    if (!is_over && log_.last(poll.read.channel) <= poll.read.after) return false;
    ReadPage page = read_page(log_, poll.read);
    if (page.events == 0 && !is_over) {
      poll.read.after = page.scanned;  // the filter passed none: do not look at them again
      return false;
    }
    poll.reply->reply(to_response(log_, poll.read, std::move(page)));
    return true;
  }

  const EventLog& log_;
  std::list<Poll> waiting_;
  std::atomic<std::size_t> size_{0};
  std::atomic<bool> is_dismissed_{false};
  Here* here_ = nullptr;
  std::unique_ptr<Worker> worker_;
};

class Readers::Streams {
 public:
  explicit Streams(const EventLog& log) : log_(log) {
    std::promise<void> ready;
    worker_ = std::make_unique<Worker>("fill", std::nullopt, [this, &ready](Loop& loop) {
      work_in_background();
      Here here(*this, loop);
      here_ = &here;
      ready.set_value();
      loop.run();
      streams_.clear();
    });
    ready.get_future().wait();
  }
  ~Streams() { worker_.reset(); }

  void post(Read read, std::shared_ptr<HttpStream> stream) {
    here_->mailbox.post({std::move(read), std::move(stream), 0, {}});
  }
  void dismiss() { is_dismissed_.store(true); }
  std::size_t size() const noexcept { return size_.load(); }

 private:
  struct Stream {
    Read read;
    std::shared_ptr<HttpStream> stream;
    std::size_t kind = 0;
    Instant last_write{};
  };
  struct Here {
    Here(Streams& streams, Loop& running)
        : loop(running),
          mailbox(loop, [&streams](std::vector<Stream> begun) { streams.take(std::move(begun)); }),
          timer(loop, [&streams] { streams.serve(); }) {
      timer.start(kPace);
    }
    Loop& loop;
    Mailbox<Stream> mailbox;
    Timer timer;
  };
  struct Shared {
    Text text;  // null: nothing in it for this kind
    event::Position scanned = 0;
  };
  using Pages = std::map<std::pair<std::size_t, event::Position>, Shared>;

  void take(std::vector<Stream> begun) {
    for (Stream& stream : begun) {
      if (streams_.size() >= kMaxFollowers) {
        stream.stream->write(": too many readers\n\n");
        stream.stream->close();
        continue;
      }
      stream.kind = kind_number(stream.read);
      stream.last_write = here_->loop.wall();
      streams_.push_back(std::move(stream));
    }
    size_.store(streams_.size());
    // Numbers of kinds that nobody asks for any more.
    if (kinds_.size() <= 2 * kMaxFollowers) return;
    kinds_.clear();
    for (Stream& stream : streams_) stream.kind = kind_number(stream.read);
  }
  std::size_t kind_number(const Read& read) {
    return kinds_.try_emplace(kind_of(read), kinds_.size()).first->second;
  }

  void serve() {
    if (is_dismissed_.exchange(false)) streams_.clear();  // dropping a stream ends it
    Pages pages;
    bool is_behind = false;
    const Instant now = here_->loop.wall();
    std::erase_if(streams_,
                  [&](Stream& stream) { return !goes_on(stream, now, pages, is_behind); });
    if (streams_.empty()) kinds_.clear();
    size_.store(streams_.size());
    here_->timer.start(is_behind ? kHurry : kPace);
  }

  bool goes_on(Stream& stream, Instant now, Pages& pages, bool& is_behind) {
    if (!stream.stream->is_open()) return false;
    const bool is_over = stream.read.to && *stream.read.to <= now;
    if (!stream.stream->has_room()) return true;
    if (log_.last(stream.read.channel) > stream.read.after) {
      const Shared& page = page_of(stream, pages);
      is_behind |= page.scanned < log_.last(stream.read.channel);
      stream.read.after = page.scanned;
      stream.read.since.reset();
      if (page.text) {
        stream.last_write = now;
        return stream.stream->write(page.text);
      }
    }
    if (is_over) return false;  // nothing more can come
    if (stream.last_write + kStreamComment > now) return true;
    stream.last_write = now;
    static const Text kStillHere = std::make_shared<const std::string>(": still here\n\n");
    return stream.stream->write(kStillHere);
  }

  const Shared& page_of(const Stream& stream, Pages& pages) {
    Read read = stream.read;
    // A reader that begins by a time is alone on its first page.
    const std::size_t kind = read.since ? kinds_.size() + pages.size() : stream.kind;
    const auto [at, is_new] = pages.try_emplace({kind, read.after});
    if (!is_new) return at->second;
    read.limit = std::min(read.limit, kStreamPage - read.after % kStreamPage);
    const auto gap = gap_of(log_, read);
    ReadPage page = read_page(log_, read);
    if (gap) {
      page.body.insert(0, fmt::format("event: gap\ndata: {{\"first\":{},\"last\":{}}}\n\n",
                                      gap->first, gap->last));
    }
    at->second.scanned = page.scanned;
    if (!page.body.empty()) {
      at->second.text = std::make_shared<const std::string>(std::move(page.body));
    }
    return at->second;
  }

  const EventLog& log_;
  std::list<Stream> streams_;
  std::map<std::string, std::size_t> kinds_;
  std::atomic<std::size_t> size_{0};
  std::atomic<bool> is_dismissed_{false};
  Here* here_ = nullptr;
  std::unique_ptr<Worker> worker_;
};

Readers::Readers(const EventLog& log)
    : polls_(std::make_unique<Polls>(log)), streams_(std::make_unique<Streams>(log)) {}
Readers::~Readers() = default;

void Readers::wait(Read read, std::shared_ptr<HttpReplyLater> reply) {
  polls_->post(std::move(read), std::move(reply));
}
void Readers::stream(Read read, std::shared_ptr<HttpStream> stream) {
  streams_->post(std::move(read), std::move(stream));
}
void Readers::grown() { polls_->grown(); }
void Readers::dismiss() {
  polls_->dismiss();
  streams_->dismiss();
}
std::size_t Readers::waiting() const noexcept { return polls_->size(); }
std::size_t Readers::streaming() const noexcept { return streams_->size(); }

}  // namespace isochrone::collector
