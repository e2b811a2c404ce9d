// SPDX-License-Identifier: Apache-2.0
#include "dns/master_entry.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace isochrone::dns {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// What makes a line more than fields between blanks.
constexpr auto kSpecial = [] {
  std::array<bool, 256> special{};
  for (const char c : {'"', '(', ')', ';', '\\'}) special[static_cast<unsigned char>(c)] = true;
  return special;
}();

bool is_plain(std::string_view line) {
  return std::none_of(line.begin(), line.end(),
                      [](char c) { return kSpecial[static_cast<unsigned char>(c)]; });
}

bool has_text(std::string_view line) { return !std::all_of(line.begin(), line.end(), is_blank); }

}  // namespace

bool MasterEntries::fill() {
  if (is_complete_) return false;
  const std::size_t kept = rest_.size();
  if (kept > 0) std::memmove(buffer_.data(), rest_.data(), kept);
  if (kept == buffer_.size()) buffer_.resize(buffer_.size() * 2);
  ssize_t count = 0;
  do {
    count = ::read(fd_, buffer_.data() + kept, buffer_.size() - kept);
  } while (count < 0 && errno == EINTR);
  if (count < 0) read_error_ = errno;
  if (count <= 0) is_complete_ = true;
  rest_ = {buffer_.data(), kept + static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
  return count > 0;
}

std::optional<std::string_view> MasterEntries::take_line() {
  std::size_t end = rest_.find('\n');
  while (end == std::string_view::npos && rest_.size() <= kMaxEntryOctets) {
    const std::size_t known = rest_.size();
    if (!fill()) break;
    end = rest_.find('\n', known);
  }
  if (end == std::string_view::npos) end = rest_.size();
  if (end == 0 && rest_.empty()) return std::nullopt;
  const std::string_view line = rest_.substr(0, end);
  rest_.remove_prefix(std::min(end + 1, rest_.size()));
  ++line_;
  return line;
}

MasterEntries::Entry MasterEntries::next() {
  while (const auto line = take_line()) {
    if (line->size() > kMaxEntryOctets) return {Kind::broken, line_, 1, "a line is too long"};
    if (!is_plain(*line)) {
      const Entry entry = joined(*line, line_);
      if (entry.kind == Kind::broken || has_text(entry.text)) return entry;
    } else if (has_text(*line)) {
      return {Kind::entry, line_, 1, *line};
    }
  }
  return {};
}

MasterEntries::Entry MasterEntries::joined(std::string_view line, std::uint32_t first) {
  text_.clear();
  int depth = 0;
  Scan scan = append(line, depth);
  while (scan == Scan::more) {
    const auto more = take_line();
    if (!more) {
      scan = Scan::broken;
      fault_ = "a parenthesis is never closed";
    } else {
      text_ += ' ';
      scan = append(*more, depth);
    }
    if (scan == Scan::more && text_.size() > kMaxEntryOctets) {
      scan = Scan::broken;
      fault_ = "an entry is too long; is a parenthesis missing?";
    }
  }
  const std::uint32_t lines = line_ - first + 1;
  if (scan == Scan::broken) return {Kind::broken, first, lines, fault_};
  return {Kind::entry, first, lines, text_};
}

MasterEntries::Scan MasterEntries::append(std::string_view line, int& depth) {
  bool is_quoted = false;
  for (std::size_t at = 0; at < line.size(); ++at) {
    const char c = line[at];
    if (c == '\\' && at + 1 < line.size()) {
      text_ += c;
      text_ += line[++at];
    } else if (c == '"') {
      is_quoted = !is_quoted;
      text_ += c;
    } else if (is_quoted || !kSpecial[static_cast<unsigned char>(c)] || c == '\\') {
      text_ += c;
    } else if (c == ';') {
      break;
    } else {
      depth += c == '(' ? 1 : -1;
      text_ += ' ';
      if (depth < 0) {
        fault_ = "a parenthesis is closed that was not opened";
        return Scan::broken;
      }
    }
  }
  if (is_quoted) {
    fault_ = "a quote is not closed on its line";
    return Scan::broken;
  }
  return depth > 0 ? Scan::more : Scan::done;
}

void MasterTokens::skip_blanks() {
  std::size_t at = 0;
  while (at < rest_.size() && is_blank(rest_[at])) ++at;
  rest_.remove_prefix(at);
}

bool MasterTokens::is_empty() {
  skip_blanks();
  return rest_.empty();
}

MasterTokens::Token MasterTokens::next() {
  skip_blanks();
  const bool is_quoted = !rest_.empty() && rest_.front() == '"';
  if (is_quoted) rest_.remove_prefix(1);
  std::size_t end = 0;
  while (end < rest_.size() && (is_quoted ? rest_[end] != '"' : !is_blank(rest_[end]))) {
    if (rest_[end] == '\\' && end + 1 < rest_.size()) ++end;
    ++end;
  }
  const Token token{rest_.substr(0, end), is_quoted};
  rest_.remove_prefix(std::min(end + (is_quoted ? 1 : 0), rest_.size()));
  return token;
}

}  // namespace isochrone::dns
