// SPDX-License-Identifier: Apache-2.0
#include "collector/follow.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "base/text.h"
#include "event/codec.h"
#include "event/subject.h"

namespace isochrone::collector {
namespace {

// Proxies drop connections on which nothing moves for a minute.
constexpr Seconds kStreamComment{15};

std::string parameter(const HttpRequest& request, const char* name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? std::string() : found->second;
}

std::string header(const HttpRequest& request, const char* name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? std::string() : found->second;
}

template <class T>
std::optional<Error> take(const std::string& text, const char* name, T& value) {
  if (text.empty()) return std::nullopt;
  const auto number = parse_number<T>(text);
  if (!number) {
    return Error(Errc::invalid, fmt::format("{}={} is not a whole number", name, text));
  }
  value = *number;
  return std::nullopt;
}

std::optional<Error> take(const std::string& text, const char* name, Nanos& value) {
  if (text.empty()) return std::nullopt;
  const auto duration = parse_duration(text);
  if (!duration) {
    return Error(Errc::invalid, fmt::format("{}={} is no duration like 30s or 15m", name, text));
  }
  value = *duration;
  return std::nullopt;
}

Encoding encoding_of(const HttpRequest& request) {
  const std::string accept = header(request, "accept");
  if (accept.find("application/x-protobuf") != std::string::npos) return Encoding::protobuf;
  if (accept.find("text/event-stream") != std::string::npos) return Encoding::server_sent;
  return Encoding::ndjson;
}

Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

bool passes(const Read& read, const event::Event& event) {
  if (!read.task.empty() && event.task != read.task) return false;
  const event::Subject subject = event::subject_of(event);
  if (!read.site.empty() && subject.site != read.site) return false;
  return read.prefix.empty() || (subject.prefix && subject.prefix->to_string() == read.prefix);
}

void append(std::string& body, const Read& read, const StoredBytes& stored,
            const event::Event* event) {
  switch (read.encoding) {
    case Encoding::protobuf:
      event::append_delimited(body, stored.position, as_bytes(stored.event));
      return;
    case Encoding::ndjson:
      body += event::to_json(event::StoredEvent{stored.position, *event}) + "\n";
      return;
    case Encoding::server_sent:
      body += fmt::format("id: {}\nevent: {}\ndata: {}\n\n", stored.position,
                          event::to_string(read.channel),
                          event::to_json(event::StoredEvent{stored.position, *event}));
      return;
  }
}

}  // namespace

Result<Read> parse_read(event::Channel channel, const HttpRequest& request, Instant now) {
  Read read;
  read.channel = channel;
  read.encoding = encoding_of(request);
  Nanos since{0};
  const std::string resume = header(request, "last-event-id");
  for (const auto& error : {take(parameter(request, "after"), "after", read.after),
                            take(resume, "Last-Event-ID", read.after),
                            take(parameter(request, "limit"), "limit", read.limit),
                            take(parameter(request, "wait"), "wait", read.wait),
                            take(parameter(request, "since"), "since", since)}) {
    if (error) return tl::unexpected(*error);
  }
  if (since.count() > 0) read.since = now - since;
  read.limit = std::clamp<std::size_t>(read.limit, 1, kMaxPage);
  read.wait = std::min<Nanos>(read.wait, kMaxWait);
  read.site = parameter(request, "site");
  read.prefix = parameter(request, "prefix");
  read.task = parameter(request, "task");
  if (!read.prefix.empty() && !Prefix::parse(read.prefix)) {
    return fail(Errc::invalid, "prefix=" + read.prefix + " is no prefix like 192.0.2.0/24");
  }
  return read;
}

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
  // A filter may pass nothing of a page: go on until something is found or all was looked at.
  const Only only{read.task, Prefix::parse(read.prefix)};
  while (page.events < read.limit) {
    const Page stored = log.read(read.channel, after, read.limit, only);
    page.scanned = stored.scanned;
    for (const StoredBytes& each : stored.events) {
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
    if (stored.is_at_end) break;
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
  if (stream.last_write + kStreamComment > now) return true;
  stream.last_write = now;
  return stream.stream->write(": still here\n\n");
}

}  // namespace isochrone::collector
