// SPDX-License-Identifier: Apache-2.0
//
// MasterEntries: the text of a master file cut into entries (RFC 1035 section 5.1): one line, or
// several that parentheses join, without comments.
//
// Ownership: borrows the descriptor; an entry's text is valid until the next call.
// Cost:      reads the file in blocks, so memory does not grow with it; a line without quotes,
//            parentheses, comments and escapes is not copied.
// Limits:    an entry has at most kMaxEntryOctets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace isochrone::dns {

// The longest data, 65535 octets, written as \DDD each, with room for names and spaces.
constexpr std::size_t kMaxEntryOctets = 512 * 1024;

class MasterEntries {
 public:
  enum class Kind : std::uint8_t { entry, end, broken };
  struct Entry {
    Kind kind = Kind::end;
    std::uint32_t line = 0;   // where it starts, from 1
    std::uint32_t lines = 1;  // how many it takes
    std::string_view text;    // of `broken`: what is wrong; the next entry starts behind it
  };

  // Either a file open for reading, or a text that outlives this.
  explicit MasterEntries(int fd) : fd_(fd), buffer_(kBlockOctets) {}
  explicit MasterEntries(std::string_view text) : rest_(text), is_complete_(true) {}

  // Entries without text (blank lines, comments) are passed over.
  Entry next();
  // errno of a read that failed; what was read before was given.
  int read_error() const noexcept { return read_error_; }

 private:
  static constexpr std::size_t kBlockOctets = 256 * 1024;
  enum class Scan : std::uint8_t { done, more, broken };

  std::optional<std::string_view> take_line();
  bool fill();
  Entry joined(std::string_view line, std::uint32_t first);
  Scan append(std::string_view line, int& depth);

  int fd_ = -1;
  std::vector<char> buffer_;
  std::string_view rest_;  // read, not yet given
  bool is_complete_ = false;
  int read_error_ = 0;
  std::uint32_t line_ = 0;  // given so far
  std::string text_;        // of a joined entry
  const char* fault_ = nullptr;
};

// One entry's fields, separated by blanks; escapes stay as written.
class MasterTokens {
 public:
  struct Token {
    std::string_view text;  // without the quotes
    bool is_quoted = false;
  };
  explicit MasterTokens(std::string_view text) : rest_(text) {}

  bool is_empty();
  Token next();  // of an empty rest: an empty text, not quoted
  std::string_view rest() const { return rest_; }

 private:
  void skip_blanks();
  std::string_view rest_;
};

}  // namespace isochrone::dns
