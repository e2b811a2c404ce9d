// SPDX-License-Identifier: Apache-2.0
#include "lab/text_file.h"

#include <fmt/format.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <memory>

namespace isochrone::lab {
namespace {

struct CloseGzip {
  void operator()(gzFile file) const { gzclose(file); }
};
using GzipFile = std::unique_ptr<gzFile_s, CloseGzip>;

}  // namespace

Result<std::string> read_text(const std::filesystem::path& file) {
  errno = 0;
  const GzipFile opened(gzopen(file.c_str(), "rb"));
  if (!opened) return fail_errno("cannot open " + file.string(), errno);
  std::string text;
  std::array<char, 1 << 16> block{};
  while (true) {
    const int count = gzread(opened.get(), block.data(), static_cast<unsigned>(block.size()));
    if (count < 0) {
      int code = 0;
      const char* reason = gzerror(opened.get(), &code);
      return fail(Errc::io, fmt::format("cannot read {}: {}", file.string(), reason));
    }
    if (count == 0) break;
    text.append(block.data(), static_cast<std::size_t>(count));
    if (text.size() > kMaxTextBytes) {
      return fail(Errc::limit, fmt::format("{} has more than {} MiB of text; split it into slices",
                                           file.string(), kMaxTextBytes >> 20));
    }
  }
  // A truncated gzip file ends without an error from gzread; gzerror knows.
  int code = 0;
  const char* reason = gzerror(opened.get(), &code);
  if (code != Z_OK) {
    return fail(Errc::io, fmt::format("cannot read {}: {}", file.string(), reason));
  }
  return text;
}

}  // namespace isochrone::lab
