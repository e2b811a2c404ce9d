// SPDX-License-Identifier: Apache-2.0
#include "base/secret_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fd.h"

namespace isochrone {
namespace {

constexpr std::size_t kMaxOctets = 65'536;

}  // namespace

Result<std::string> read_secret_file(const std::filesystem::path& file) {
  const Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    return fail(Errc::io, fmt::format("cannot open {}: {}", file.string(), std::strerror(errno)));
  }
  // Asked of what was opened, not of the name: nobody can put another file there in between.
  struct stat status {};
  if (fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return fail(Errc::invalid, fmt::format("{} is not a regular file", file.string()));
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return fail(Errc::invalid, fmt::format("{} can be read by others; chmod 600 it, and change the "
                                           "secret if anyone may have read it",
                                           file.string()));
  }
  std::string text(kMaxOctets + 1, '\0');
  const ssize_t size = read(fd.get(), text.data(), text.size());
  if (size < 0) {
    return fail(Errc::io, fmt::format("cannot read {}: {}", file.string(), std::strerror(errno)));
  }
  if (static_cast<std::size_t>(size) > kMaxOctets) {
    return fail(Errc::invalid, fmt::format("{} is larger than 64 KiB", file.string()));
  }
  text.resize(static_cast<std::size_t>(size));
  return text;
}

}  // namespace isochrone
