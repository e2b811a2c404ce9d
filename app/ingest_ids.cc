// SPDX-License-Identifier: Apache-2.0
#include "app/ingest_ids.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/random.h"
#include "base/text.h"

namespace isochrone::app {
namespace {

// FNV-1a, 64 bits: the same on every machine and in every version, which std::hash is not.
std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf2'9ce4'8422'2325;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100'0000'01b3;
  }
  return hash;
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

// Whether a JSON object names an "id" of its own; what is not an object is left to the collector.
bool wants_id(std::string_view line) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  return json.is_object() && !json.contains("id");
}

}  // namespace

IngestIds IngestIds::for_file(const std::filesystem::path& file, std::string_view first_line) {
  std::error_code error;
  const auto path = std::filesystem::weakly_canonical(file, error);
  const std::string identity =
      fmt::format("{}\n{}\n{}", host_name(), error ? file.string() : path.string(), first_line);
  // One life for ever: the sequence is the line's number.
  return {fmt::format("ingest-{:016x}", fnv1a(identity)), 1};
}

IngestIds IngestIds::for_stream() {
  // The life of this process; random, so that two streams of one moment differ.
  return {fmt::format("ingest-{:016x}", random_u64()), 1};
}

std::string IngestIds::with_id(std::string_view line, std::uint64_t line_number) const {
  std::string event(trim(line));
  if (!wants_id(event)) return event;
  const bool is_empty = event.find('"') == std::string::npos;
  event.pop_back();  // the closing brace
  event += fmt::format(R"({}"id":{{"source":"{}","epoch":{},"sequence":{}}}}})",
                       is_empty ? "" : ",", source_, epoch_, line_number);
  return event;
}

}  // namespace isochrone::app
