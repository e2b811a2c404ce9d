// SPDX-License-Identifier: Apache-2.0
#include "dns/tap_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "dns/tap_control.h"

namespace isochrone::dns {
namespace {

// 20261126T042212.123456789Z: sorts by time, and no shell minds it.
std::string compact(Instant now) {
  std::string text = format_instant(now);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

}  // namespace

TapFile::TapFile(std::filesystem::path path, std::function<Instant()> wall)
    : path_(std::move(path)), wall_(std::move(wall)) {}

Result<void> TapFile::open(Monotonic) {
  if (!file_) {
    if (auto free = set_aside(); !free) return free;
    if (auto created = create(); !created) return created;
  }
  if (size_ == 0) {
    if (auto begun = append(control_frame(TapControl::start)); !begun) return begun;
  }
  state_ = State::open;
  return {};
}

Result<void> TapFile::set_aside() const {
  struct stat there {};
  if (::stat(path_.c_str(), &there) != 0) return {};  // create() says what is wrong, if anything
  if (!S_ISREG(there.st_mode)) return fail(Errc::invalid, path_.string() + " is not a file");
  if (there.st_size == 0) return {};
  const std::string other = path_.string() + "." + compact(wall_());
  if (::rename(path_.c_str(), other.c_str()) != 0) {
    return fail_errno("cannot move " + path_.string() + " aside", errno);
  }
  log_info("an earlier dnstap file was set aside file=" + other);
  return {};
}

Result<void> TapFile::create() {
  file_.reset(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  if (!file_) return fail_errno("cannot open " + path_.string(), errno);
  size_ = 0;
  return {};
}

Result<void> TapFile::append(Bytes octets) {
  for (Bytes rest = octets; !rest.empty();) {
    const ssize_t count = ::write(file_.get(), rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      const int error = count < 0 ? errno : ENOSPC;
      state_ = State::closed;
      // Where not even that can be had, the next attempt begins another file.
      if (::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) file_.reset();
      return fail_errno("cannot write " + path_.string(), error);
    }
    rest = rest.subspan(static_cast<std::size_t>(count));
  }
  size_ += octets.size();
  return {};
}

Result<std::size_t> TapFile::write(Bytes frames) {
  if (auto written = append(frames); !written) return tl::unexpected(written.error());
  return frames.size();
}

void TapFile::reopen() {
  if (!file_) return;
  struct stat ours {};
  struct stat there {};
  const bool is_same = ::fstat(file_.get(), &ours) == 0 && ::stat(path_.c_str(), &there) == 0 &&
                       ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
  if (!is_same) end();
}

void TapFile::end() {
  // Without its end a stream can be read all the same.
  if (file_ && size_ > 0) (void)append(control_frame(TapControl::stop));
  file_.reset();
  state_ = State::closed;
}

}  // namespace isochrone::dns
