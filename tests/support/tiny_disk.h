// SPDX-License-Identifier: Apache-2.0
//
// TinyDisk: a folder that is a file system of a few pages, in a namespace of the child that runs there.
//
// From outside: /proc/PID/root leads to it, so a test can fill it and make room again while the
//               program runs.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>

namespace isochrone::test {

inline bool write_text(const std::string& file, const std::string& text) {
  std::ofstream out(file);
  out << text << std::flush;
  return out.good();
}

// In the child, before the program: `folder`, which exists, becomes so small. Ends the child when it
// cannot.
inline void mount_tiny_disk(const std::string& folder, const std::string& size) {
  const std::string user = "0 " + std::to_string(::geteuid()) + " 1";
  const std::string group = "0 " + std::to_string(::getegid()) + " 1";
  const bool is_mounted =
      ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_text("/proc/self/setgroups", "deny") &&
      write_text("/proc/self/uid_map", user) && write_text("/proc/self/gid_map", group) &&
      ::mount("tiny", folder.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
  if (!is_mounted) ::_exit(126);
}

// Writes until nothing more fits, not an octet.
inline void fill(const std::string& folder) {
  const std::array<char, 4'096> page{};
  const int file = ::open((folder + "/filler").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  while (::write(file, page.data(), page.size()) > 0) {
  }
  ::close(file);
}

inline void make_room(const std::string& folder) { std::filesystem::remove(folder + "/filler"); }

// The folder as the process sees it.
inline std::string seen_by(pid_t pid, const std::string& folder) {
  return "/proc/" + std::to_string(pid) + "/root" + folder;
}

}  // namespace isochrone::test
