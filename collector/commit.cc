// SPDX-License-Identifier: Apache-2.0
#include "collector/commit.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "event/codec.h"

namespace isochrone::collector {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kHeadBytes = 1 + 4 + 8 + 4 + 4 + 8 * event::kChannels;
// A key is a prefix and a name; what a note holds is bounded by who writes it, far below this.
constexpr std::size_t kMaxNoteBytes = 1 << 20;

Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

template <class T>
void put(std::string& out, T value) {
  for (int shift = 8 * (sizeof(T) - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
}

void put_text(std::string& out, std::string_view text) {
  put(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}

std::string to_bytes(const Commit& commit) {
  std::string out;
  out.reserve(1'024 + commit.events.size() * 128);
  put(out, static_cast<std::uint64_t>(unix_nanos(commit.arrival)));
  put(out, static_cast<std::uint32_t>(commit.events.size()));
  for (const event::Event& event : commit.events) {
    put_text(out, event.bytes.empty() ? event::to_protobuf(event) : event.bytes);
  }
  put(out, static_cast<std::uint32_t>(commit.notes.size()));
  for (const Note& note : commit.notes) {
    put_text(out, note.key);
    put_text(out, note.bytes);
  }
  put(out, static_cast<std::uint32_t>(commit.states.size()));
  for (const StoredBytes& state : commit.states) {
    put(out, state.position);
    put_text(out, state.event);
  }
  for (const event::Position mark : commit.trim) put(out, mark);
  return out;
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : in_(as_bytes(bytes)) {}

  std::uint64_t u64() { return in_.u64(); }
  std::uint32_t u32() { return in_.u32(); }
  // How many follow that take at least `least` octets each: what cannot be there is not made room for.
  std::uint32_t count(std::size_t least) {
    const std::uint32_t count = in_.u32();
    if (count > in_.remaining() / least) in_.skip(in_.remaining() + 1);
    return in_.ok() ? count : 0;
  }
  std::string_view text(std::size_t most) {
    const std::uint32_t size = in_.u32();
    if (size > most) in_.skip(in_.remaining() + 1);
    const Bytes taken = in_.take(size);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  std::string_view rest() {
    const Bytes taken = in_.take(in_.remaining());
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  bool ok() const { return in_.ok(); }
  bool is_at_end() const { return in_.ok() && in_.remaining() == 0; }

 private:
  ByteReader in_;
};

std::optional<Commit> from_bytes(std::string_view bytes) {
  Reader in(bytes);
  Commit commit;
  commit.arrival = from_unix_nanos(static_cast<std::int64_t>(in.u64()));
  const std::size_t events = in.count(4);
  commit.events.reserve(events);
  for (std::size_t i = 0; i < events && in.ok(); ++i) {
    const std::string_view text = in.text(event::kMaxEventBytes);
    auto event = event::from_protobuf(as_bytes(text));
    if (!event) return std::nullopt;
    event->bytes = text;
    commit.events.push_back(std::move(*event));
  }
  for (std::size_t i = in.count(8); i > 0 && in.ok(); --i) {
    const std::string_view key = in.text(kMaxNoteBytes);
    commit.notes.push_back({std::string(key), std::string(in.text(kMaxNoteBytes))});
  }
  for (std::size_t i = in.count(12); i > 0 && in.ok(); --i) {
    const event::Position position = in.u64();
    commit.states.push_back({position, std::string(in.text(event::kMaxEventBytes))});
  }
  for (event::Position& mark : commit.trim) mark = in.u64();
  return in.is_at_end() ? std::optional(std::move(commit)) : std::nullopt;
}

}  // namespace

std::string frame_part(std::uint64_t commit, std::uint32_t part, std::uint32_t parts,
                       const Firsts& next, std::string_view piece) {
  std::string checked;
  checked.reserve(kHeadBytes + piece.size());
  put(checked, commit);
  put(checked, part);
  put(checked, parts);
  for (const event::Position position : next) put(checked, position);
  checked += piece;
  std::string message(1, kVersion);
  message.reserve(5 + checked.size());
  put(message, crc32c(as_bytes(checked)));
  return message += checked;
}

std::vector<std::string> to_parts(const Commit& commit, std::size_t max_bytes) {
  const std::string bytes = to_bytes(commit);
  const std::size_t size = max_bytes - kHeadBytes;
  const std::size_t count = std::max<std::size_t>(1, (bytes.size() + size - 1) / size);
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < count; ++i) {
    parts.push_back(frame_part(commit.id, static_cast<std::uint32_t>(i),
                               static_cast<std::uint32_t>(count), commit.next,
                               std::string_view(bytes).substr(i * size, size)));
  }
  return parts;
}

Result<Part> read_part(std::string_view message) {
  if (message.size() < kHeadBytes || message[0] != kVersion) {
    return fail(Errc::invalid, "not a message of this version of Isochrone");
  }
  Reader in(message.substr(1));
  if (in.u32() != crc32c(as_bytes(message.substr(5)))) {
    return fail(Errc::invalid, "a message fails its checksum");
  }
  Part part;
  part.commit = in.u64();
  part.part = in.u32();
  part.parts = in.u32();
  for (event::Position& next : part.next) next = in.u64();
  part.piece = in.rest();
  if (part.part >= part.parts || part.parts > kMaxParts) {
    return fail(Errc::invalid, "a message numbers its parts wrongly");
  }
  return part;
}

Result<std::optional<Commit>> Assembly::add(std::string_view message) {
  const auto part = read_part(message);
  const bool goes_on = part && part->part > 0 && part->part == seen_ && part->commit == commit_;
  if (!goes_on) {
    seen_ = 0;
    bytes_.clear();
  }
  if (!part) return tl::unexpected(part.error());
  // The end of a commit whose beginning was cut off.
  if (part->part != seen_) return std::optional<Commit>();
  commit_ = part->commit;
  ++seen_;
  if (bytes_.size() + part->piece.size() > kMaxCommitBytes) {
    seen_ = 0;
    return fail(Errc::limit, "a commit is too large");
  }
  bytes_ += part->piece;
  if (seen_ < part->parts) return std::optional<Commit>();
  auto commit = from_bytes(bytes_);
  seen_ = 0;
  bytes_.clear();
  if (!commit) return fail(Errc::invalid, "a commit cannot be read");
  commit->id = part->commit;
  commit->next = part->next;
  return commit;
}

}  // namespace isochrone::collector
