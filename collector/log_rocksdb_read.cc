// SPDX-License-Identifier: Apache-2.0
//
// RocksDbLog, the reading half.
#include <algorithm>

#include "collector/event_block.h"
#include "collector/rocksdb_log.h"
#include "event/codec.h"

namespace isochrone::collector {

using event::Channel;
using event::Position;

namespace {

// Blocks of one source whose sequences overlap: a source posts on several channels in turns.
constexpr int kOverlapping = 64;

Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

struct RocksDbLog::Reading {
  Page& page;
  Channel channel;
  Position after;
  std::size_t limit;
  Position end;

  bool is_full() const { return page.events.size() >= limit; }
};
Position RocksDbLog::first(Channel channel) const {
  return last(channel) == 0 ? 0 : std::max<Position>(1, marks_->first[index_of(channel)].load());
}

Damage RocksDbLog::damage() const {
  Damage damage = damage_;
  damage.events = lost_ + unreadable_.with([](const auto& known) { return known.events; });
  return damage;
}

Page RocksDbLog::read(Channel channel, Position after, std::size_t limit, const Only& only) const {
  Page page;
  page.scanned = last(channel);
  if (after >= page.scanned || limit == 0) return page;
  Reading reading{page, channel, after, limit, page.scanned};
  bool goes_on = channel != Channel::state || read_kept(reading);
  const Position from = std::max(after + 1, first(channel));
  if (goes_on)
    goes_on = only.task.empty() ? read_blocks(reading, from, only.prefix)
                                : read_task(reading, from, only.task);
  if (!goes_on) page.scanned = page.events.back().position;
  page.is_at_end = page.scanned == reading.end;
  return page;
}

std::optional<Found> RocksDbLog::find(const event::EventId& id) const {
  const std::string start = id_key(id.source, id.epoch);
  const auto it = database_->iterate(kIds);
  it->Seek(start + number(id.sequence));
  for (int i = 0; i < kOverlapping && it->Valid() && it->key().starts_with(start); ++i) {
    const std::string_view key = view(it->key()).substr(start.size());
    const Position lowest = get_u64(view(it->value()));
    if (key.size() == 8 + kBlockKeyBytes && lowest <= id.sequence) {
      if (auto found = find_in(key.substr(8), id, id.sequence - lowest)) return found;
    }
    it->Next();
  }
  return std::nullopt;
}

Position RocksDbLog::before(Channel channel, Instant since) const {
  Position low = first(channel);  // the answer lies in [low - 1, high)
  Position high = last(channel) + 1;
  const auto it = database_->iterate(kBlocks);
  while (low < high) {
    it->Seek(block_key(channel, low + (high - low) / 2));
    const auto info = is_in(*it, channel) ? BlockInfo::decode(view(it->value())) : std::nullopt;
    if (info && info->arrival < since) {
      low = last_of(*it) + 1;
    } else {
      high = info ? std::min(info->first, low + (high - low) / 2) : low + (high - low) / 2;
    }
  }
  return low == 0 ? 0 : low - 1;
}

void RocksDbLog::newest_states(const std::function<void(std::string_view)>& take) const {
  states([&](Position, std::string_view event) { take(event); });
}

std::optional<std::string> RocksDbLog::note(std::string_view key) const {
  rocksdb::PinnableSlice value;
  if (!database_->get(kNotes, key, value)) return std::nullopt;
  const auto held = unsealed(view(value));
  return held ? std::optional(std::string(*held)) : std::nullopt;
}

void RocksDbLog::notes(std::string_view prefix,
                       const std::function<void(std::string_view, std::string_view)>& take) const {
  const auto it = database_->iterate(kNotes);
  for (it->Seek(slice(prefix)); it->Valid() && it->key().starts_with(slice(prefix)); it->Next()) {
    if (const auto held = unsealed(view(it->value()))) take(view(it->key()), *held);
  }
}

bool RocksDbLog::read_kept(Reading& reading) const {
  const auto it = database_->iterate(kKept);
  for (it->Seek("p" + number(reading.after + 1)); it->Valid() && it->key()[0] == 'p'; it->Next()) {
    const auto held = unsealed(view(it->value()));
    const Position position = get_u64(view(it->key()).substr(1));
    if (position >= first(Channel::state)) break;
    if (held) reading.page.events.push_back({position, std::string(*held)});
    if (reading.is_full()) return false;
  }
  return true;
}

bool RocksDbLog::read_blocks(Reading& reading, Position from,
                             const std::optional<Prefix>& prefix) const {
  const auto it = database_->iterate(kBlocks);
  for (it->Seek(block_key(reading.channel, from)); is_in(*it, reading.channel); it->Next()) {
    const auto info = BlockInfo::decode(view(it->value()));
    if (!info || info->first > reading.end) continue;
    if (prefix && !info->may_have(*prefix)) continue;
    if (!read_block(reading, from, last_of(*it), info->first)) return false;
  }
  return true;
}

bool RocksDbLog::read_task(Reading& reading, Position from, const std::string& task) const {
  const std::string start = task_key(task);
  const auto it = database_->iterate(kTasks);
  rocksdb::PinnableSlice value;
  for (it->Seek(start + block_key(reading.channel, from));
       it->Valid() && it->key().starts_with(start); it->Next()) {
    const std::string_view block = view(it->key()).substr(start.size());
    if (block.size() != kBlockKeyBytes || block[0] != static_cast<char>(reading.channel)) break;
    value.Reset();
    if (!database_->get(kBlocks, block, value)) continue;
    const auto info = BlockInfo::decode(view(value));
    if (info && !read_block(reading, from, get_u64(block.substr(1)), info->first)) return false;
  }
  return true;
}

bool RocksDbLog::read_block(Reading& reading, Position from, Position last, Position first) const {
  rocksdb::PinnableSlice value;
  std::string file;
  // Where the database finds nothing any more, the file may still hold the events.
  const bool is_there = database_->get(events_of(reading.channel), number(last), value);
  if (!is_there) file = file_with(reading.channel, last);
  BlockReader reader(is_there ? view(value) : std::string_view(file), reading.channel);
  const std::size_t should = static_cast<std::size_t>(last - first + 1);
  std::size_t events = 0;
  while (events < should && reader.next()) {
    if (reader.position() < first || reader.position() > last) continue;
    ++events;
    if (reader.position() < from || reader.position() > reading.end) continue;
    reading.page.events.push_back({reader.position(), std::string(reader.event())});
    if (reading.is_full()) return false;
  }
  if (events < should) miss(reading.channel, last, should - events);
  return true;
}

void RocksDbLog::miss(Channel channel, Position block, std::uint64_t events) const {
  unreadable_.with([&](Unreadable& known) {
    if (known.blocks.emplace(channel, block).second) known.events += events;
  });
}

// The event in this block; `guess` is its index when its source's events lie there alone.
std::optional<Found> RocksDbLog::find_in(std::string_view block, const event::EventId& id,
                                         std::uint64_t guess) const {
  const auto channel = static_cast<Channel>(block[0]);
  const Position last = get_u64(block.substr(1));
  if (index_of(channel) >= event::kChannels || last < first(channel)) return std::nullopt;
  if (looked_up_.block != block) {
    looked_up_ = {std::string(block), {}, {}};
    rocksdb::PinnableSlice value;
    const bool is_there = database_->get(events_of(channel), number(last), value);
    looked_up_.bytes = is_there ? std::string(view(value)) : file_with(channel, last);
    BlockReader reader(looked_up_.bytes, channel);
    while (reader.next()) looked_up_.events.emplace_back(reader.position(), reader.event());
  }
  const auto& events = looked_up_.events;
  const auto is_it = [&](const auto& each) {
    const auto event = event::from_protobuf(as_bytes(each.second));
    return event && event->id == id;
  };
  auto at = events.end();
  if (guess < events.size() && is_it(events[guess])) {
    at = events.begin() + static_cast<std::ptrdiff_t>(guess);
  } else {
    at = std::find_if(events.begin(), events.end(), is_it);
  }
  if (at == events.end()) return std::nullopt;
  return Found{channel, {at->first, std::string(at->second)}};
}

}  // namespace isochrone::collector
