// SPDX-License-Identifier: Apache-2.0
//
// HttpClient: one kept-alive connection to one server at a time, over libcurl.
//
// Threads:  one thread at a time; cancel() from any thread.
// Errors:   no connection, time-out, cancelled or a body beyond the limit is an Error (unavailable,
//           limit); so is a token file that cannot be used. Any status is a reply. Redirects are not
//           followed, proxies not used.
// Limits:   kMaxReplyBytes of body.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/http_access.h"
#include "base/result.h"
#include "base/time.h"

namespace isochrone {

// Twice a full page of events (1000 of at most 32 KiB each): more is not ours.
constexpr std::size_t kMaxReplyBytes = 64 << 20;

struct HttpReply {
  int status = 0;
  std::string body;
  std::string content_type;
  std::map<std::string, std::string> headers;  // names in lower case

  // The header's value, empty when absent; `name` in lower case.
  std::string_view header(std::string_view name) const;
};

class HttpClient {
 public:
  explicit HttpClient(HttpAccess access);
  ~HttpClient();
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;

  // `accept` goes out as the Accept header unless empty.
  Result<HttpReply> get(std::string_view path_and_query, Millis timeout,
                        std::string_view accept = {});
  Result<HttpReply> post(std::string_view path, std::string_view content_type,
                         std::string_view body, Millis timeout);
  // Where requests go.
  const std::string& url() const noexcept;
  // Later ones go to the next of those that the access names, after the last to the first again.
  void turn_to_next();
  // Ends the transfer in progress at once, and every later one: for whoever waits for the thread.
  void cancel();

  static std::string escape(std::string_view text);  // for one query value or path segment

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isochrone
