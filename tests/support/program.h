// SPDX-License-Identifier: Apache-2.0
//
// Program: a peer from Debian's packages, as a child that ends with the test, or as a command.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace isochrone::test {

class Program {
 public:
  // The first of `arguments` is looked up in PATH; its output goes to `log`.
  Program(std::vector<std::string> arguments, const std::string& log);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

 private:
  pid_t pid_ = -1;
};

// Standard output and error together of a shell command, and its exit status in `status` if given.
std::string output_of(const std::string& command, int* status = nullptr);

}  // namespace isochrone::test
