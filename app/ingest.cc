// SPDX-License-Identifier: Apache-2.0
//
// The command `isochrone ingest`: lines of measurements into the collector, each exactly once.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/api.h"
#include "app/commands.h"
#include "app/ingest_ids.h"
#include "base/text.h"
#include "event/codec.h"

namespace isochrone::app {
namespace {

// What our own parts send at once (docs/formats.md): large enough to share one fsync, small enough to
// repeat.
constexpr std::size_t kBatchEvents = 1'000;
constexpr std::size_t kBatchBytes = 1 << 20;

struct Totals {
  std::uint64_t accepted = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t rejected = 0;
};

class Ingest {
 public:
  Ingest(Api api, std::string name, IngestIds ids)
      : api_(std::move(api)), name_(std::move(name)), ids_(std::move(ids)) {}

  Result<Totals> run(std::istream& input) {
    std::string line;
    while (std::getline(input, line)) {
      ++line_;
      if (auto sent = take(line); !sent) return tl::unexpected(sent.error());
    }
    if (input.bad()) return fail(Errc::io, "cannot read " + name_);
    if (auto sent = send(); !sent) return tl::unexpected(sent.error());
    if (is_terminal_) fmt::print(stderr, "\n");
    return totals_;
  }

 private:
  Result<void> take(const std::string& line) {
    if (trim(line).empty()) return {};
    if (line.size() > event::kMaxEventBytes) {
      reject(line_,
             fmt::format("{} bytes; an event has at most {}", line.size(), event::kMaxEventBytes));
      return {};
    }
    const std::string event = ids_.with_id(line, line_);
    if (batch_lines_.size() == kBatchEvents || batch_.size() + event.size() > kBatchBytes) {
      if (auto sent = send(); !sent) return sent;
    }
    batch_ += event;
    batch_ += '\n';
    batch_lines_.push_back(line_);
    return {};
  }

  Result<void> send() {
    if (batch_lines_.empty()) return {};
    auto body = api_.post_events("measurement", batch_);
    if (!body) {
      return fail(body.error().code(), fmt::format("{}; lines before {} are kept, run the same "
                                                   "command again to go on",
                                                   body.error().text(), batch_lines_.front()));
    }
    const auto reply = nlohmann::json::parse(*body, nullptr, false);
    if (!reply.is_object()) return fail(Errc::invalid, "the collector's answer is not JSON");
    totals_.accepted += reply.value("accepted", std::uint64_t{0});
    totals_.duplicates += reply.value("duplicates", std::uint64_t{0});
    for (const auto& rejected : reply.value("rejected", nlohmann::json::array())) {
      const auto index = rejected.value("index", std::size_t{0});
      reject(index < batch_lines_.size() ? batch_lines_[index] : 0,
             rejected.value("error", std::string("refused")));
    }
    batch_.clear();
    batch_lines_.clear();
    if (is_terminal_) fmt::print(stderr, "\r{} lines, {} accepted", line_, totals_.accepted);
    return {};
  }

  void reject(std::uint64_t line, std::string_view why) {
    ++totals_.rejected;
    fmt::print(stderr, "{}{}:{}: {}\n", is_terminal_ ? "\r" : "", name_, line, why);
  }

  Api api_;
  std::string name_;
  IngestIds ids_;
  const bool is_terminal_ = ::isatty(STDERR_FILENO) == 1;
  std::uint64_t line_ = 0;
  std::string batch_;
  std::vector<std::uint64_t> batch_lines_;  // where each event of the batch stands in the file
  Totals totals_;
};

Result<Totals> ingest(const IngestArguments& arguments) {
  auto api = Api::open(arguments.api);
  if (!api) return tl::unexpected(api.error());
  if (arguments.file == "-") {
    return Ingest(std::move(*api), "-", IngestIds::for_stream()).run(std::cin);
  }
  std::ifstream file(arguments.file, std::ios::binary);
  std::string first;
  if (!file || (!std::getline(file, first) && !file.eof())) {
    return fail(Errc::io, "cannot read " + arguments.file);
  }
  file.clear();
  file.seekg(0);
  return Ingest(std::move(*api), arguments.file, IngestIds::for_file(arguments.file, first))
      .run(file);
}

}  // namespace

int ingest_command(const IngestArguments& arguments) {
  const auto totals = ingest(arguments);
  if (!totals) return complain(totals.error());
  fmt::print("accepted {}, duplicates {}, rejected {}\n", totals->accepted, totals->duplicates,
             totals->rejected);
  return totals->rejected == 0 ? 0 : 1;
}

}  // namespace isochrone::app
