// SPDX-License-Identifier: Apache-2.0
#include "prober/hit_list.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace isochrone::prober {
namespace {

// The next word of `line`, which loses it; empty at its end.
std::string_view take_word(std::string_view& line) {
  constexpr std::string_view kBlank = " \t\r";
  line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kBlank));
  line.remove_prefix(word.size());
  return word;
}

tl::unexpected<Error> wrong(const std::string& file, std::size_t line, std::string_view what) {
  return fail(Errc::invalid, fmt::format("{}:{}: {}", file, line, what));
}

// Calls `use(line, number)` for each line that says something, until one fails.
template <class Use>
Result<void> for_each_line(std::string_view text, const std::string& file, Use use) {
  if (text.size() > kMaxListBytes) {
    return fail(Errc::limit, fmt::format("{}: more than {} MiB; split it or leave networks out",
                                         file, kMaxListBytes >> 20));
  }
  for (std::size_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    line = trim(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    if (auto used = use(line, number); !used) return used;
  }
  return {};
}

// As long as a message stays readable.
std::string_view shown(std::string_view word) { return word.substr(0, 60); }

}  // namespace

Result<std::vector<TargetSource>> parse_hit_list(std::string_view text, const std::string& file) {
  std::vector<TargetSource> sources;
  const auto read = for_each_line(text, file, [&](std::string_view line, std::size_t number) {
    std::string_view word = take_word(line);
    std::optional<Prefix> prefix;
    if (word.find('/') != std::string_view::npos) {
      prefix = Prefix::parse(word);
      if (!prefix) {
        return Result<void>(
            wrong(file, number,
                  fmt::format("\"{}\" is no prefix; write it like 192.0.2.0/24", shown(word))));
      }
      word = take_word(line);
      if (word.empty()) {
        return Result<void>(
            wrong(file, number, "a prefix without an address; add who answers for it"));
      }
    }
    for (; !word.empty(); word = take_word(line)) {
      const auto address = Address::parse(word);
      if (!address) {
        return Result<void>(wrong(
            file, number, fmt::format("\"{}\" is no address; correct or remove it", shown(word))));
      }
      if (!prefix) prefix = client_network(*address);
      sources.push_back({*prefix, *address});
    }
    return Result<void>();
  });
  if (!read) return tl::unexpected(read.error());
  return sources;
}

Result<std::vector<Prefix>> parse_prefix_list(std::string_view text, const std::string& file) {
  std::vector<Prefix> prefixes;
  const auto read = for_each_line(text, file, [&](std::string_view line, std::size_t number) {
    const auto prefix = Prefix::parse(line);
    if (!prefix) {
      return Result<void>(
          wrong(file, number,
                fmt::format("\"{}\" is no prefix; write it like 192.0.2.0/24", shown(line))));
    }
    prefixes.push_back(*prefix);
    return Result<void>();
  });
  if (!read) return tl::unexpected(read.error());
  return prefixes;
}

}  // namespace isochrone::prober
