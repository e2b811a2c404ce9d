// SPDX-License-Identifier: Apache-2.0
#include "app/token.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "app/api.h"
#include "app/commands.h"
#include "base/fd.h"
#include "base/random.h"
#include "base/secret_file.h"
#include "base/sha256.h"
#include "base/text.h"

namespace isochrone::app {

std::string make_token() {
  Sha256 bits{};
  random_bytes(bits);
  return to_hex(bits);
}

Result<std::string> token_of(const std::filesystem::path& file) {
  const Fd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (fd) {
    const std::string line = make_token() + "\n";
    if (::write(fd.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
        ::fsync(fd.get()) != 0) {
      const int why = errno;
      ::unlink(file.c_str());
      return fail_errno("cannot write " + file.string(), why);
    }
    return line.substr(0, line.size() - 1);
  }
  if (errno != EEXIST) return fail_errno("cannot make " + file.string(), errno);
  auto text = read_secret_file(file);
  if (!text) return text;
  std::string token(trim(*text));
  if (token.empty() || token.find_first_of(" \t\r\n") != std::string::npos) {
    return fail(Errc::invalid, file.string() + " does not hold one token on one line");
  }
  return token;
}

int token_command(const TokenArguments& arguments) {
  const auto token = token_of(arguments.file);
  if (!token) return complain(token.error());
  fmt::print("digest: {}\n", to_hex(sha256(*token)));
  return 0;
}

}  // namespace isochrone::app
