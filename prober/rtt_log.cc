// SPDX-License-Identifier: Apache-2.0
#include "prober/rtt_log.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>

#include "base/text.h"

namespace isochrone::prober {
namespace {

constexpr std::string_view kBlank = " \t\r";
constexpr std::uint32_t kLongestRttMicros = 60'000'000;

std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kBlank));
  line.remove_prefix(word.size());
  return word;
}

std::string_view without_quotes(std::string_view word) {
  if (word.starts_with('"')) word.remove_prefix(1);
  if (word.ends_with('"')) word.remove_suffix(1);
  return word;
}

}  // namespace

std::optional<LoggedRtt> parse_rtt_line(std::string_view line, unsigned field) {
  if (line.size() > kMaxLineBytes) return std::nullopt;
  const std::size_t end = line.find_last_not_of(kBlank);
  if (end == std::string_view::npos) return std::nullopt;
  line = line.substr(0, end + 1);
  const std::size_t before_last = line.find_last_of(kBlank);
  if (before_last == std::string_view::npos) return std::nullopt;
  const auto rtt = parse_number<std::uint32_t>(without_quotes(line.substr(before_last + 1)));
  line = line.substr(0, before_last);
  std::string_view word;
  for (unsigned i = 0; i < field; ++i) word = take_word(line);
  const auto client = Address::parse(without_quotes(word));
  if (!client || !rtt || *rtt == 0 || *rtt > kLongestRttMicros) return std::nullopt;
  return LoggedRtt{*client, Micros(*rtt)};
}

RttLog::RttLog(std::filesystem::path path) : path_(std::move(path)) {
  if (!open_new()) return;
  const off_t end = ::lseek(fd_.get(), 0, SEEK_END);
  offset_ = end > 0 ? static_cast<std::size_t>(end) : 0;
  // The rest of a line that was begun before is no line.
  char last = '\n';
  if (offset_ > 0 && ::pread(fd_.get(), &last, 1, end - 1) == 1) is_skipping_ = last != '\n';
}

bool RttLog::open_new() {
  fd_ = Fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  offset_ = 0;
  partial_.clear();
  is_skipping_ = false;
  quiet_looks_ = 0;
  return static_cast<bool>(fd_);
}

void RttLog::look(const Use& use) {
  if (!fd_ && !open_new()) return;
  std::size_t all = 0;
  for (std::size_t got = 1; got > 0 && all < kMaxReadBytes; all += got) got = read_some(use);
  quiet_looks_ = all > 0 ? 0 : quiet_looks_ + 1;
  if (all < kMaxReadBytes) watch_for_rotation();
}

std::size_t RttLog::read_some(const Use& use) {
  std::array<char, 64 * 1024> buffer;
  const ssize_t got = ::pread(fd_.get(), buffer.data(), buffer.size(), static_cast<off_t>(offset_));
  if (got <= 0) return 0;
  offset_ += static_cast<std::size_t>(got);
  take({buffer.data(), static_cast<std::size_t>(got)}, use);
  return static_cast<std::size_t>(got);
}

void RttLog::take(std::string_view text, const Use& use) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const bool is_whole = end != std::string_view::npos;
    const std::string_view piece = text.substr(0, end);
    text.remove_prefix(is_whole ? end + 1 : text.size());
    if (!is_skipping_ && partial_.size() + piece.size() > kMaxLineBytes) {
      is_skipping_ = true;
      ++too_long_;
    }
    if (!is_skipping_) partial_.append(piece);
    if (is_whole) {
      if (!is_skipping_) use(partial_);
      is_skipping_ = false;
    }
    if (is_whole || is_skipping_) partial_.clear();
  }
}

void RttLog::watch_for_rotation() {
  struct stat here {};
  struct stat named {};
  if (::fstat(fd_.get(), &here) != 0) return fd_.reset();
  if (static_cast<std::size_t>(here.st_size) < offset_) {  // truncated in place
    ++rotations_;
    offset_ = 0;
    partial_.clear();
    is_skipping_ = false;
    return;
  }
  if (::stat(path_.c_str(), &named) != 0) return;  // renamed, and nobody took the name yet
  if (named.st_ino == here.st_ino && named.st_dev == here.st_dev) return;
  // Who writes goes on with the old file until it was told to open the new one.
  if (quiet_looks_ < kQuietLooks) return;
  ++rotations_;
  open_new();
}

}  // namespace isochrone::prober
