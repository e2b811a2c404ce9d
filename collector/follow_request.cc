// SPDX-License-Identifier: Apache-2.0
//
// What a reader of a channel asks for, out of its request.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "collector/follow.h"

namespace isochrone::collector {
namespace {

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

std::optional<Error> take(const std::string& text, const char* name,
                          std::optional<Instant>& value) {
  if (text.empty()) return std::nullopt;
  value = parse_instant(text);
  if (value) return std::nullopt;
  return Error(Errc::invalid,
               fmt::format("{}={} is no time like 2024-05-01T12:00:00Z", name, text));
}

// A position, or the id of an event, whose position resolve() finds.
std::optional<Error> take_after(const std::string& text, Read& read) {
  read.after_event = parse_id(text);
  return read.after_event ? std::nullopt : take(text, "after", read.after);
}

std::optional<Error> take_interval(const HttpRequest& request, Instant now, Read& read) {
  Nanos since{0};
  for (const auto& error : {take(parameter(request, "since"), "since", since),
                            take(parameter(request, "from"), "from", read.since),
                            take(parameter(request, "to"), "to", read.to)}) {
    if (error) return error;
  }
  if (since.count() > 0 && read.since) {
    return Error(Errc::invalid, "since and from both say where to begin; give one of them");
  }
  if (since.count() > 0) read.since = now - since;
  if (read.since && read.to && *read.to < *read.since) {
    return Error(Errc::invalid, "to lies before where the interval begins");
  }
  return std::nullopt;
}

std::optional<Error> take_filters(const HttpRequest& request, Read& read) {
  read.site = parameter(request, "site");
  read.prefix = parameter(request, "prefix");
  read.task = parameter(request, "task");
  if (!read.prefix.empty() && !Prefix::parse(read.prefix)) {
    return Error(Errc::invalid, "prefix=" + read.prefix + " is no prefix like 192.0.2.0/24");
  }
  const std::string expression = parameter(request, "filter");
  if (expression.empty()) return std::nullopt;
  auto filter = Filter::parse(expression);
  if (!filter) return filter.error().within("filter");
  read.filter = std::make_shared<const Filter>(std::move(*filter));
  return std::nullopt;
}

}  // namespace

std::optional<event::EventId> parse_id(std::string_view text) {
  const auto parts = split(text, '/');
  if (parts.size() != 3) return std::nullopt;
  const auto epoch = parse_number<std::uint64_t>(parts[1]);
  const auto sequence = parse_number<std::uint64_t>(parts[2]);
  if (!epoch || !sequence) return std::nullopt;
  return event::EventId{std::string(parts[0]), *epoch, *sequence};
}

Result<Read> parse_read(event::Channel channel, const HttpRequest& request, Instant now) {
  Read read;
  read.channel = channel;
  read.encoding = encoding_of(request);
  for (const auto& error : {take_after(parameter(request, "after"), read),
                            take(header(request, "last-event-id"), "Last-Event-ID", read.after),
                            take(parameter(request, "limit"), "limit", read.limit),
                            take(parameter(request, "wait"), "wait", read.wait),
                            take_interval(request, now, read), take_filters(request, read)}) {
    if (error) return tl::unexpected(*error);
  }
  read.limit = std::clamp<std::size_t>(read.limit, 1, kMaxPage);
  read.wait = std::min<Nanos>(read.wait, kMaxWait);
  if (read.to && *read.to <= now) read.wait = Nanos(0);  // nothing more can come
  return read;
}

Result<void> resolve(Read& read, const EventLog& log) {
  if (!read.after_event) return {};
  const event::EventId& id = *read.after_event;
  const auto found = log.find(id);
  if (!found || found->channel != read.channel) {
    return fail(Errc::not_found,
                fmt::format("after={}/{}/{} is no event that is kept in {}", id.source, id.epoch,
                            id.sequence, event::to_string(read.channel)));
  }
  read.after = std::max(read.after, found->stored.position);  // Last-Event-ID is the later one
  return {};
}

}  // namespace isochrone::collector
