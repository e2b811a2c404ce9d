// SPDX-License-Identifier: Apache-2.0
//
// HttpClient: one kept-alive connection to one server, over libcurl.
//
// Threads:  one thread at a time. cancel() from any thread ends a transfer in progress within 100 ms.
// Errors:   no connection, time-out, or a body beyond the limit is an Error; any status is a response.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace isochrone {

struct HttpReply {
  int status = 0;
  std::string body;
  std::string content_type;
};

class HttpClient {
 public:
  explicit HttpClient(std::string base_url);
  ~HttpClient();
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;

  Result<HttpReply> get(std::string_view path_and_query, Millis timeout);
  Result<HttpReply> post(std::string_view path, std::string_view content_type, std::string_view body,
                         Millis timeout);
  void cancel();

  static std::string escape(std::string_view text);  // for one query value

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isochrone
