// SPDX-License-Identifier: Apache-2.0
//
// Authority: a certificate authority of a test, and what it vouches for, as files made by openssl(1).
//
// Limits: keys of NIST P-256; valid for a week around the making.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace isochrone::test {

class Authority {
 public:
  // In a folder that is there; `name` makes its files differ from another's.
  explicit Authority(std::filesystem::path folder, std::string name = "ca")
      : folder_(std::move(folder)), name_(std::move(name)) {
    run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 7 -subj '/CN=" + name_ +
        "' -keyout " + file(name_ + ".key") + " -out " + file(name_ + ".pem"));
  }

  std::filesystem::path certificate() const { return folder_ / (name_ + ".pem"); }

  // NAME.pem and NAME.key, the key for its owner alone. For 127.0.0.1, ::1 and localhost.
  void issue(const std::string& name) const {
    std::ofstream(folder_ / (name + ".ext"))
        << "subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost\n";
    run("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=" + name + "' -keyout " +
        file(name + ".key") + " -out " + file(name + ".csr"));
    run("x509 -req -days 7 -in " + file(name + ".csr") + " -CA " + file(name_ + ".pem") +
        " -CAkey " + file(name_ + ".key") + " -CAcreateserial -extfile " + file(name + ".ext") +
        " -out " + file(name + ".pem"));
    std::filesystem::permissions(folder_ / (name + ".key"), std::filesystem::perms(0600));
  }

  std::string text(const std::string& name) const {
    std::ifstream stream(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

 private:
  std::string file(const std::string& name) const { return "'" + (folder_ / name).string() + "'"; }
  static void run(const std::string& arguments) {
    EXPECT_EQ(std::system(("openssl " + arguments + " 2>/dev/null").c_str()), 0) << arguments;
  }

  std::filesystem::path folder_;
  std::string name_;
};

}  // namespace isochrone::test
