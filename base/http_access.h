// SPDX-License-Identifier: Apache-2.0
//
// HttpAccess: where an HTTP server is, and by what it lets us in.
//
// Files:   read when they are needed, again for every connection, and the token's also when the server
//          did not take it: what an operator replaces is used without a restart.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace isochrone {

// What a client of https:// asks of the server's certificate.
enum class HttpTrust : unsigned char {
  named,    // that `authorities`, or the system's, vouch for it and the name it is reached by
  exactly,  // that it is the one in `authorities`, by whatever name it is reached
  own       // nothing: the server is in this process and holds the port
};

struct HttpAccess {
  HttpAccess() = default;
  // "http://127.0.0.1:8053", without a path.
  HttpAccess(std::string address) : url(std::move(address)) {}
  HttpAccess(const char* address) : url(address) {}

  std::string url;
  // The same service elsewhere, let in by the same: where a client turns when one does not answer.
  std::vector<std::string> others;
  HttpTrust trust = HttpTrust::named;
  std::filesystem::path authorities;  // PEM; empty: the system's
  std::filesystem::path certificate;  // of the client, PEM; empty: none
  std::filesystem::path key;          // its private key
  std::filesystem::path token_file;   // empty: none
  std::string token;                  // goes before the file

  bool empty() const noexcept { return url.empty(); }
  friend bool operator==(const HttpAccess&, const HttpAccess&) = default;
};

}  // namespace isochrone
