// SPDX-License-Identifier: Apache-2.0
//
// What a process holds, read from /proc: memory, descriptors.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace isochrone::test {

// What the thread sanitizer keeps of each octet that is touched, beside it.
#if defined(__SANITIZE_THREAD__)
constexpr std::size_t kSanitizedMemory = 8;
#else
constexpr std::size_t kSanitizedMemory = 1;
#endif

// A number of /proc/PID/status by its name, "VmRSS" or "CapEff", as written there; empty: no such.
inline std::string process_status(pid_t pid, const std::string& name) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; in >> word;) {
    if (word == name + ":" && in >> word) return word;
  }
  return {};
}

inline std::size_t resident_kib(pid_t pid) {
  const std::string text = process_status(pid, "VmRSS");
  return text.empty() ? 0 : std::stoul(text);
}

inline std::size_t open_descriptors(pid_t pid) {
  std::error_code error;
  const std::filesystem::directory_iterator folder("/proc/" + std::to_string(pid) + "/fd", error);
  return error ? 0 : static_cast<std::size_t>(std::distance(begin(folder), end(folder)));
}

}  // namespace isochrone::test
