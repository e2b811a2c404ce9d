// SPDX-License-Identifier: Apache-2.0
#include "dns/key_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>

#include "base/fd.h"
#include "dns/name.h"

namespace isochrone::dns {
namespace {

namespace fs = std::filesystem;

enum class Secrecy { open, secret };

Result<void> check_secret(const struct stat& status) {
  if ((status.st_mode & 077) != 0) {
    return fail(Errc::invalid, fmt::format("mode {:04o} lets others at the private key; chmod 600",
                                           status.st_mode & 07777U));
  }
  // Root may look at anyone's.
  if (geteuid() != 0 && status.st_uid != geteuid() && status.st_uid != 0) {
    return fail(Errc::invalid,
                fmt::format("belongs to user {}, not to the one that runs this ({}); chown it",
                            status.st_uid, geteuid()));
  }
  return {};
}

Result<std::string> read_file(const fs::path& file, Secrecy secrecy) {
  const Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!fd || fstat(fd.get(), &status) != 0) return fail_errno("cannot read", errno);
  if (!S_ISREG(status.st_mode)) return fail(Errc::invalid, "is not a file");
  if (secrecy == Secrecy::secret) {
    if (auto checked = check_secret(status); !checked) return tl::unexpected(checked.error());
  }
  std::string text(kMaxKeyFileBytes + 1, '\0');
  std::size_t size = 0;
  for (ssize_t got = 1; got > 0 && size < text.size(); size += static_cast<std::size_t>(got)) {
    got = read(fd.get(), text.data() + size, text.size() - size);
    if (got < 0) return fail_errno("cannot read", errno);
  }
  if (size > kMaxKeyFileBytes) return fail(Errc::limit, "is too large for a key");
  text.resize(size);
  return text;
}

Result<void> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = write(fd, text.data(), text.size());
    if (put < 0) return fail_errno("cannot write", errno);
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  if (fsync(fd) != 0) return fail_errno("cannot write", errno);
  return {};
}

// Root's files become those of the folder they lie in.
Result<void> give_to_owner_of(const fs::path& folder, const fs::path& file) {
  struct stat status {};
  if (geteuid() != 0) return {};
  if (stat(folder.c_str(), &status) != 0 ||
      chown(file.c_str(), status.st_uid, status.st_gid) != 0) {
    return fail_errno("cannot give " + file.string() + " to the owner of its folder", errno);
  }
  return {};
}

Result<void> write_file(const fs::path& file, std::string_view text, Secrecy secrecy) {
  const std::string beside = file.string() + ".new";
  unlink(beside.c_str());
  const mode_t mode = secrecy == Secrecy::secret ? 0600 : 0644;
  const Fd fd(open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!fd) return fail_errno("cannot make " + beside, errno);
  auto written = write_all(fd.get(), text);
  if (written) written = give_to_owner_of(file.parent_path(), beside);
  if (written && rename(beside.c_str(), file.c_str()) != 0) {
    written = fail_errno("cannot rename to " + file.string(), errno);
  }
  if (!written) {
    unlink(beside.c_str());
    return tl::unexpected(written.error().within(file.string()));
  }
  return {};
}

}  // namespace

Result<std::vector<SigningKey>> KeyStore::load(Bytes zone) const {
  const std::string name = name_to_text(zone);
  const std::string prefix = fmt::format("K{}{}+", name, name == "." ? "" : ".");
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
    const std::string file = at->path().filename().string();
    if (file.starts_with(prefix) && file.ends_with(".private")) files.push_back(at->path());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return fail(Errc::io, fmt::format("cannot read the folder of keys {}: {}", folder_.string(),
                                      error.message()));
  }
  std::sort(files.begin(), files.end());
  std::vector<SigningKey> keys;
  for (fs::path& file : files) {
    const auto secret = read_file(file, Secrecy::secret);
    if (!secret) return tl::unexpected(secret.error().within(file.string()));
    auto public_file = file;
    public_file.replace_extension(".key");
    const auto open_text = read_file(public_file, Secrecy::open);
    if (!open_text) return tl::unexpected(open_text.error().within(public_file.string()));
    auto key = SigningKey::parse(zone, *open_text, *secret);
    if (!key) return tl::unexpected(key.error().within(file.string()));
    keys.push_back(std::move(*key));
  }
  return keys;
}

Result<void> KeyStore::save(const SigningKey& key) const {
  if (key.file_name().find('/') != std::string::npos) {
    return fail(Errc::invalid, fmt::format("{} cannot be a file name", key.file_name()));
  }
  std::error_code error;
  if (fs::create_directories(folder_, error)) {
    fs::permissions(folder_, fs::perms::owner_all, error);
    if (auto given = give_to_owner_of(folder_.parent_path(), folder_); !given) return given;
  }
  if (error) {
    return fail(Errc::io, fmt::format("cannot make the folder of keys {}: {}", folder_.string(),
                                      error.message()));
  }
  const fs::path file = folder_ / key.file_name();
  // The public part first: a .private without its .key is refused, a .key alone is not seen.
  auto written = write_file(file.string() + ".key", key.public_text(), Secrecy::open);
  if (!written) return written;
  return write_file(file.string() + ".private", key.private_text(), Secrecy::secret);
}

}  // namespace isochrone::dns
