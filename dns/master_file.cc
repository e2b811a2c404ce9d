// SPDX-License-Identifier: Apache-2.0
#include "dns/master_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <vector>

#include "base/fd.h"
#include "base/text.h"
#include "dns/master_entry.h"
#include "dns/master_record.h"

namespace isochrone::dns {
namespace {

class Reader {
 public:
  explicit Reader(ZoneRecords& zone) : zone_(zone) { context_.origin = zone.origin; }

  void read_file(const std::filesystem::path& path, std::uint32_t included_at) {
    const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat facts {};
    const bool is_file = file && fstat(file.get(), &facts) == 0 && !S_ISDIR(facts.st_mode);
    if (!is_file) {
      const char* why = file ? "it is a directory" : std::strerror(errno);
      return zone_.error(included_at, fmt::format("cannot open {}: {}; name an existing, readable "
                                                  "file",
                                                  path.string(), why));
    }
    if (files_.empty()) reserve(static_cast<std::size_t>(std::max<off_t>(facts.st_size, 0)));
    files_.push_back(path);
    MasterEntries entries(file.get());
    read(entries);
    if (entries.read_error() != 0) {
      zone_.error(line_, fmt::format("cannot read on: {}", std::strerror(entries.read_error())));
    }
    files_.pop_back();
  }

  void read_text(std::string_view text) {
    MasterEntries entries(text);
    read(entries);
  }

 private:
  // Address space for what the file may hold at most; what is not written takes no memory, and growing
  // by copies would take it twice.
  void reserve(std::size_t file_octets) {
    constexpr std::size_t kShortestLine = 12;  // "a A 1.2.3.4"
    constexpr std::size_t kMost = std::size_t{1} << 30;
    const std::size_t lines = std::min(file_octets, kMost) / kShortestLine + 16;
    zone_.rows.reserve(lines);
    zone_.names.reserve(std::min(file_octets, kMost) + lines * zone_.origin.size());
    zone_.bytes.reserve(std::min(file_octets, kMost));
  }

  void read(MasterEntries& entries) {
    const std::uint32_t before = line_;  // lines of all files before this one's first
    std::uint32_t inside = 0;            // lines of files included from here
    for (auto entry = entries.next(); entry.kind != MasterEntries::Kind::end;
         entry = entries.next()) {
      if (zone_.errors.size() >= kMaxErrors) return;
      const std::uint32_t line = before + inside + entry.line;
      line_ = line + entry.lines - 1;
      if (entry.kind == MasterEntries::Kind::broken) {
        zone_.error(line, entry.text);
      } else if (entry.text.front() != '$') {
        add_master_record(entry.text, line, context_, zone_);
      } else if (const auto more = directive(entry.text, line, entry.line + entry.lines)) {
        inside += *more;
      }
    }
  }

  // The lines that an $INCLUDE added; `next_line` is the one behind the directive in this file.
  std::optional<std::uint32_t> directive(std::string_view text, std::uint32_t line,
                                         std::uint32_t next_line) {
    MasterTokens tokens(text);
    const std::string what = to_lower(tokens.next().text);
    if (what == "$include") return include(tokens, line, next_line);
    const std::string_view argument = tokens.next().text;
    if (what == "$ttl") {
      const auto ttl = master_ttl(argument);
      if (ttl) context_.default_ttl = ttl;
      if (!ttl) zone_.error(line, "$TTL wants seconds, like 3600 or 1h");
    } else if (what == "$origin") {
      auto origin = master_name(argument, context_.origin);
      if (origin) context_.origin = std::move(*origin);
      if (!origin) zone_.error(line, "$ORIGIN wants a domain name");
    } else {
      zone_.error(line, fmt::format("unknown directive {}; $ORIGIN, $TTL and $INCLUDE are known",
                                    what.substr(0, 32)));
      return std::nullopt;
    }
    if (!tokens.is_empty()) zone_.error(line, fmt::format("{} takes one argument", what));
    return std::nullopt;
  }

  std::optional<std::uint32_t> include(MasterTokens& tokens, std::uint32_t line,
                                       std::uint32_t next_line) {
    const std::string_view name = tokens.next().text;
    MasterContext outer = context_;
    if (!tokens.is_empty()) {
      auto origin = master_name(tokens.next().text, context_.origin);
      if (!origin || !tokens.is_empty()) {
        zone_.error(line, "$INCLUDE wants a file and perhaps an origin");
        return std::nullopt;
      }
      context_.origin = std::move(*origin);
    }
    const auto path = may_include(name, line);
    if (!path) return std::nullopt;
    const std::uint32_t before = line_;
    const std::string includer = files_.back().string();
    zone_.passages.push_back({line_ + 1, 1, path->string()});
    read_file(*path, line);
    // $TTL goes on (RFC 2308 section 4: until the next one); origin and owner are ours again.
    outer.default_ttl = context_.default_ttl;
    context_ = std::move(outer);
    zone_.passages.push_back({line_ + 1, next_line, includer});
    return line_ - before;
  }

  std::optional<std::filesystem::path> may_include(std::string_view name, std::uint32_t line) {
    const auto refuse = [&](const std::string& why) {
      zone_.error(line, why);
      return std::nullopt;
    };
    if (files_.empty()) return refuse("$INCLUDE works in zone files only");
    if (name.empty()) return refuse("$INCLUDE wants a file");
    const auto path = (files_.back().parent_path() / name).lexically_normal();
    for (const auto& file : files_) {
      std::error_code error;
      if (std::filesystem::equivalent(file, path, error)) {
        return refuse(fmt::format("$INCLUDE of {} inside itself; remove it", path.string()));
      }
    }
    if (files_.size() >= kMaxIncludeDepth) {
      return refuse(
          fmt::format("$INCLUDE more than {} files deep; put the lines here", kMaxIncludeDepth));
    }
    return path;
  }

  ZoneRecords& zone_;
  MasterContext context_;
  std::vector<std::filesystem::path> files_;  // open: each included the next
  std::uint32_t line_ = 0;                    // of all files, as far as read
};

ZoneRecords begin(const std::string& file, std::string_view origin) {
  ZoneRecords zone;
  zone.passages.push_back({1, 1, file});
  auto wire = name_from_text(origin);
  if (wire) {
    zone.origin = std::move(*wire);
  } else {
    zone.error(0, fmt::format("'{}' is not a domain name", origin));
  }
  return zone;
}

}  // namespace

ZoneRecords read_master_file(const std::filesystem::path& path, std::string_view origin) {
  ZoneRecords zone = begin(path.string(), origin);
  if (!zone.origin.empty()) Reader(zone).read_file(path, 0);
  return zone;
}

ZoneRecords read_master_text(std::string_view text, std::string_view origin) {
  ZoneRecords zone = begin("text", origin);
  if (!zone.origin.empty()) Reader(zone).read_text(text);
  return zone;
}

}  // namespace isochrone::dns
