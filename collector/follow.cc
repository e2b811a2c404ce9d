// SPDX-License-Identifier: Apache-2.0
#include "collector/follow.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "event/codec.h"
#include "event/subject.h"

namespace isochrone::collector {
namespace {

// Proxies drop connections on which nothing moves for a minute.
constexpr Seconds kStreamComment{15};

Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

bool passes(const Read& read, const event::Event& event) {
  if (!read.task.empty() && event.task != read.task) return false;
  const event::Subject subject = event::subject_of(event);
  if (!read.site.empty() && subject.site != read.site) return false;
  if (!read.prefix.empty() && !(subject.prefix && subject.prefix->to_string() == read.prefix)) {
    return false;
  }
  if (read.filter && !read.filter->matches(event)) return false;
  return !(read.rules && read.rules->blocks(event));
}

std::string json_of(const Read& read, const StoredBytes& stored, const event::Event& event) {
  std::string json = event::to_json(event::StoredEvent{stored.position, event});
  return read.rules && read.rules->removes() ? read.rules->cut(event, std::move(json)) : json;
}

void append(std::string& body, const Read& read, const StoredBytes& stored,
            const event::Event* event) {
  switch (read.encoding) {
    case Encoding::protobuf:
      event::append_delimited(body, stored.position, as_bytes(stored.event));
      return;
    case Encoding::ndjson:
      body += json_of(read, stored, *event) + "\n";
      return;
    case Encoding::server_sent:
      body += fmt::format("id: {}\nevent: {}\ndata: {}\n\n", stored.position,
                          event::to_string(read.channel),
                          json_of(read, stored, *event));
      return;
  }
}

}  // namespace

std::optional<ReadGap> gap_of(const EventLog& log, const Read& read) {
  const event::Position first = log.first(read.channel);
  const bool is_told = read.channel != event::Channel::state && read.after > 0 && !read.since;
  if (!is_told || read.after + 1 >= first) return std::nullopt;
  return ReadGap{read.after + 1, first - 1};
}

ReadPage read_page(const EventLog& log, const Read& read) {
  ReadPage page;
  event::Position after = read.after;
  if (read.since) after = std::max(after, log.before(read.channel, *read.since));
  // Of an interval that has ended, the last that is in it.
  const event::Position last =
      read.to ? log.before(read.channel, *read.to) : std::numeric_limits<event::Position>::max();
  // A filter may pass nothing of a page: go on until something is found or all was looked at.
  const Only only{read.task, Prefix::parse(read.prefix)};
  while (page.events < read.limit) {
    const Page stored = log.read(read.channel, after, read.limit, only);
    page.scanned = std::min(stored.scanned, std::max(last, after));
    for (const StoredBytes& each : stored.events) {
      if (each.position > last) break;
      std::optional<event::Event> event;
      if (read.encoding != Encoding::protobuf || read.is_filtered()) {
        auto decoded = event::from_protobuf(as_bytes(each.event));
        if (!decoded) continue;
        event = std::move(*decoded);
        if (read.is_filtered() && !passes(read, *event)) continue;
      }
      append(page.body, read, each, event ? &*event : nullptr);
      if (++page.events == read.limit) {
        page.scanned = each.position;
        break;
      }
    }
    if (stored.is_at_end || stored.scanned >= last) break;
    after = stored.scanned;
  }
  return page;
}

HttpResponse to_response(const EventLog& log, const Read& read, ReadPage page) {
  HttpResponse response;
  response.content_type =
      read.encoding == Encoding::protobuf ? "application/x-protobuf" : "application/x-ndjson";
  response.body = std::move(page.body);
  response.headers["X-Isochrone-Log"] = log.id();
  response.headers["X-Isochrone-Position"] = std::to_string(page.scanned);
  if (const auto gap = gap_of(log, read)) {
    response.headers["X-Isochrone-Gap"] = fmt::format("{}-{}", gap->first, gap->last);
  }
  return response;
}

void Followers::wait(Read read, Instant now, std::shared_ptr<HttpReplyLater> reply) {
  if (polls_.size() >= kMaxFollowers) {
    reply->reply(http_error(503, "too many readers are waiting", "try again later"));
    return;
  }
  Poll poll{std::move(read), {}, std::move(reply)};
  poll.deadline = now + poll.read.wait;
  if (!serve_poll(poll, now)) polls_.push_back(std::move(poll));
}

void Followers::stream(Read read, std::shared_ptr<HttpStream> stream) {
  if (streams_.size() >= kMaxFollowers) {
    stream->write(": too many readers\n\n");
    stream->close();
    return;
  }
  streams_.push_back({std::move(read), std::move(stream), {}});
}

void Followers::serve(Instant now) {
  std::erase_if(polls_, [&](Poll& poll) { return serve_poll(poll, now); });
  std::erase_if(streams_, [&](Stream& stream) { return !serve_stream(stream, now); });
}

// Whether the poll was answered.
bool Followers::serve_poll(Poll& poll, Instant now) {
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

// Whether the stream goes on.
bool Followers::serve_stream(Stream& stream, Instant now) {
  if (!stream.stream->is_open()) return false;
  const bool is_over = stream.read.to && *stream.read.to <= now;
  if (log_.last(stream.read.channel) > stream.read.after) {
    const auto gap = gap_of(log_, stream.read);
    ReadPage page = read_page(log_, stream.read);
    if (gap) {
      page.body.insert(0, fmt::format("event: gap\ndata: {{\"first\":{},\"last\":{}}}\n\n",
                                      gap->first, gap->last));
      ++page.events;
    }
    stream.read.after = page.scanned;
    stream.read.since.reset();
    if (page.events > 0) {
      stream.last_write = now;
      return stream.stream->write(std::move(page.body));
    }
  }
  if (is_over) return false;  // nothing more can come: dropping the stream ends it
  if (stream.last_write + kStreamComment > now) return true;
  stream.last_write = now;
  return stream.stream->write(": still here\n\n");
}

}  // namespace isochrone::collector
