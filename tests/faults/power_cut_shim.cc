// SPDX-License-Identifier: Apache-2.0
//
// Preloaded into a program, this writes down what of the files under a folder would be on the disk if the
// power were cut now: how much of each file was synced, which names of a folder were.
//
// ISOCHRONE_POWER_ROOT     the folder that is watched
// ISOCHRONE_POWER_KEEP     where every file has a second name, its inode's number, so that nothing is gone
//                          when it is unlinked; the journal lies there too
// ISOCHRONE_POWER_NO_SYNC  set: syncs are not believed, to see that the checker notices
//
// Syncs are not passed on to the disk: the page cache outlives the process, and the test has only that.
// Journal:  one line each, written after what it tells of, read by tests/faults/power_cut.cc:
//           C inode folder name · M inode folder name · R folder name folder name · U folder name
//           S inode octets · D inode · O inode (what was synced is written anew, which nobody expects)
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace {

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

class Journal {
 public:
  Journal() {
    const char* root = std::getenv("ISOCHRONE_POWER_ROOT");
    const char* keep = std::getenv("ISOCHRONE_POWER_KEEP");
    if (root == nullptr || keep == nullptr) return;
    root_ = root;
    keep_ = keep;
    believes_ = std::getenv("ISOCHRONE_POWER_NO_SYNC") == nullptr;
    const std::string file = keep_ + "/journal";
    fd_ = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, file.c_str(),
                                     O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  }

  bool watches(const char* path) const {
    return fd_ >= 0 && std::string_view(path).starts_with(root_);
  }
  void say(const std::string& line) const {
    if (::syscall(SYS_write, fd_, line.data(), line.size()) < 0) std::abort();
  }
  // "folder name" of a path whose folder exists.
  std::string place(const char* path) const {
    const std::string_view whole(path);
    const auto slash = whole.rfind('/');
    const std::string folder(whole.substr(0, slash));
    return number(inode(folder.c_str())) + " " + std::string(whole.substr(slash + 1));
  }
  void made(int file, const char* path) {
    struct stat about {};
    if (::fstat(file, &about) != 0 || !S_ISREG(about.st_mode) || about.st_nlink != 1) return;
    const std::string second = keep_ + "/" + number(about.st_ino);
    if (real<int(const char*, const char*)>("link")(path, second.c_str()) != 0) return;
    say("C " + number(about.st_ino) + " " + place(path) + "\n");
  }
  int synced(int file) {
    struct stat about {};
    if (fd_ < 0 || ::fstat(file, &about) != 0) return 0;
    if (S_ISDIR(about.st_mode)) {
      if (believes_) say("D " + number(about.st_ino) + "\n");
    } else if (S_ISREG(about.st_mode)) {
      const std::lock_guard lock(mutex_);
      synced_[about.st_ino] = about.st_size;
      if (believes_) say("S " + number(about.st_ino) + " " + number(about.st_size) + "\n");
    }
    return 0;
  }
  void written(int file, off_t at) {
    struct stat about {};
    if (fd_ < 0 || ::fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) return;
    const std::lock_guard lock(mutex_);
    const auto known = synced_.find(about.st_ino);
    if (known != synced_.end() && at < known->second) say("O " + number(about.st_ino) + "\n");
  }
  static ino_t inode(const char* path) {
    struct stat about {};
    return ::stat(path, &about) == 0 ? about.st_ino : 0;
  }
  template <class Number>
  static std::string number(Number value) {
    return std::to_string(value);
  }

 private:
  std::string root_;
  std::string keep_;
  int fd_ = -1;
  bool believes_ = true;
  std::mutex mutex_;
  std::unordered_map<ino_t, off_t> synced_;
};

Journal& journal() {
  static Journal* const one = new Journal;  // threads may write until the process ends
  return *one;
}

int open_at(int folder, const char* path, int flags, mode_t mode) {
  const auto file = static_cast<int>(::syscall(SYS_openat, folder, path, flags, mode));
  if (file >= 0 && (flags & O_CREAT) != 0 && journal().watches(path)) journal().made(file, path);
  return file;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  return open_at(AT_FDCWD, path, flags, mode);
}

int mkdir(const char* path, mode_t mode) {
  const auto failed = static_cast<int>(::syscall(SYS_mkdirat, AT_FDCWD, path, mode));
  if (failed == 0 && journal().watches(path)) {
    const auto inode = Journal::number(Journal::inode(path));
    journal().say("M " + inode + " " + journal().place(path) + "\n");
  }
  return failed;
}

int rename(const char* from, const char* to) {
  const auto failed = static_cast<int>(::syscall(SYS_rename, from, to));
  if (failed == 0 && journal().watches(to)) {
    journal().say("R " + journal().place(from) + " " + journal().place(to) + "\n");
  }
  return failed;
}

int unlink(const char* path) {
  const auto failed = static_cast<int>(::syscall(SYS_unlink, path));
  if (failed == 0 && journal().watches(path)) journal().say("U " + journal().place(path) + "\n");
  return failed;
}

int fsync(int file) { return journal().synced(file); }
int fdatasync(int file) { return journal().synced(file); }

ssize_t pwrite(int file, const void* data, size_t size, off_t at) {
  journal().written(file, at);
  return static_cast<ssize_t>(::syscall(SYS_pwrite64, file, data, size, at));
}
ssize_t pwrite64(int file, const void* data, size_t size, off_t at) {
  return pwrite(file, data, size, at);
}

int ftruncate(int file, off_t size) {
  journal().written(file, size);
  return static_cast<int>(::syscall(SYS_ftruncate, file, size));
}
int ftruncate64(int file, off_t size) { return ftruncate(file, size); }

}  // extern "C"
