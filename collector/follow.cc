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
                          event::to_string(read.channel), json_of(read, stored, *event));
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

}  // namespace isochrone::collector
