// SPDX-License-Identifier: Apache-2.0
//
// IngestIds: an identity for measurement lines that have none, the same at every attempt.
//
// Of a file it is (host, path, first line) and the line's number: ingesting the same file again, longer
// or with rejected lines corrected, counts no line twice; another file in its place begins with
// another first line. Of a stream it is this process, so a stream that is repeated counts again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace isochrone::app {

class IngestIds {
 public:
  static IngestIds for_file(const std::filesystem::path& file, std::string_view first_line);
  static IngestIds for_stream();

  // The line with "id" as its last field, when it is an object that has none; else as it is.
  std::string with_id(std::string_view line, std::uint64_t line_number) const;

 private:
  IngestIds(std::string source, std::uint64_t epoch) : source_(std::move(source)), epoch_(epoch) {}

  std::string source_;
  std::uint64_t epoch_;
};

}  // namespace isochrone::app
