// SPDX-License-Identifier: Apache-2.0
#include "base/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include "base/secret_file.h"
#include "base/text.h"

namespace isochrone {
namespace {

// A peer that is up answers a connection attempt within one retransmission (1 s) or two (3 s).
constexpr Millis kConnectTimeout{3'000};
// A long poll is quiet for half a minute; keep-alives tell a quiet peer from a dead one.
constexpr long kKeepAliveSeconds = 5;

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiDeleter {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, ListDeleter>;

void append_header(HeaderList& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) return;  // out of memory ends the process soon enough
  [[maybe_unused]] auto* same = list.release();
  list.reset(longer);
}

void init_once() {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(ready);
}

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* reply) {
  auto& body = static_cast<HttpReply*>(reply)->body;
  const std::size_t bytes = size * count;
  if (bytes > kMaxReplyBytes - std::min(body.size(), kMaxReplyBytes)) return 0;  // ends it
  body.append(data, bytes);
  return bytes;
}

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* reply) {
  auto& headers = static_cast<HttpReply*>(reply)->headers;
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) headers.clear();  // an interim response (100) came before
  const auto colon = line.find(':');
  if (colon != std::string_view::npos) {
    headers.try_emplace(to_lower(trim(line.substr(0, colon))), trim(line.substr(colon + 1)));
  }
  return line.size();
}

}  // namespace

std::string_view HttpReply::header(std::string_view name) const {
  const auto at = headers.find(std::string(name));
  return at == headers.end() ? std::string_view() : std::string_view(at->second);
}

struct HttpClient::Impl {
  explicit Impl(HttpAccess given) : access(std::move(given)), token(access.token) {
    init_once();
    multi.reset(curl_multi_init());
    easy.reset(curl_easy_init());
  }

  const std::string& url() const { return server == 0 ? access.url : access.others[server - 1]; }
  Result<HttpReply> transfer(std::string_view path, Millis timeout, HeaderList headers);
  Result<void> identify(HeaderList& headers);
  CURLcode run();
  void prepare_tls();
  void prepare(const std::string& url, Millis timeout, HttpReply& reply);

  const HttpAccess access;
  std::size_t server = 0;  // 0: access.url, then the others in order
  std::string token;       // empty: there is none, or its file is to be read
  std::array<char, CURL_ERROR_SIZE> error_text{};
  std::unique_ptr<CURLM, MultiDeleter> multi;
  std::unique_ptr<CURL, EasyDeleter> easy;  // after `multi`: an easy handle goes first
  std::atomic<bool> cancelled{false};
};

void HttpClient::Impl::prepare(const std::string& url, Millis timeout, HttpReply& reply) {
  CURL* handle = easy.get();
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_PROXY, "");  // the collector is named, not looked for
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "isochrone");
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(std::min(timeout, kConnectTimeout).count()));
  curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(handle, CURLOPT_TCP_KEEPIDLE, kKeepAliveSeconds);
  curl_easy_setopt(handle, CURLOPT_TCP_KEEPINTVL, kKeepAliveSeconds);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, error_text.data());
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &reply);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &reply);
  if (url.starts_with("https://")) prepare_tls();
}

void HttpClient::Impl::prepare_tls() {
  CURL* handle = easy.get();
  const auto set = [handle](CURLoption option, const std::filesystem::path& file) {
    if (!file.empty()) curl_easy_setopt(handle, option, file.c_str());
  };
  curl_easy_setopt(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  // What an operator replaces is used by the next connection, not a day later.
  curl_easy_setopt(handle, CURLOPT_CA_CACHE_TIMEOUT, 0L);
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, access.trust == HttpTrust::own ? 0L : 1L);
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, access.trust == HttpTrust::named ? 2L : 0L);
  set(CURLOPT_CAINFO, access.authorities);
  set(CURLOPT_SSLCERT, access.certificate);
  set(CURLOPT_SSLKEY, access.key);
}

// Adds who we are, when we are somebody.
Result<void> HttpClient::Impl::identify(HeaderList& headers) {
  if (token.empty() && !access.token_file.empty()) {
    auto text = read_secret_file(access.token_file);
    if (!text) return tl::unexpected(text.error());
    token = trim(*text);
    if (token.empty() || token.find_first_of("\r\n") != std::string::npos) {
      token.clear();
      return fail(Errc::invalid,
                  access.token_file.string() + " has to hold one token, on one line");
    }
  }
  if (!token.empty()) append_header(headers, "Authorization: Bearer " + token);
  return {};
}

// Drives the one transfer of `multi`; CURLE_ABORTED_BY_CALLBACK stands for cancelled.
CURLcode HttpClient::Impl::run() {
  int running = 1;
  while (!cancelled.load()) {
    if (curl_multi_perform(multi.get(), &running) != CURLM_OK) return CURLE_FAILED_INIT;
    if (running == 0) {
      int left = 0;
      const CURLMsg* message = curl_multi_info_read(multi.get(), &left);
      return message == nullptr ? CURLE_FAILED_INIT : message->data.result;
    }
    // cancel() wakes this; the bound is a second line of defence, not a pace.
    curl_multi_poll(multi.get(), nullptr, 0, 100, nullptr);
  }
  return CURLE_ABORTED_BY_CALLBACK;
}

Result<HttpReply> HttpClient::Impl::transfer(std::string_view path, Millis timeout,
                                             HeaderList headers) {
  const std::string url = this->url() + std::string(path);
  if (auto identified = identify(headers); !identified) {
    curl_easy_reset(easy.get());  // forgets the body, which is borrowed for this call
    return tl::unexpected(identified.error());
  }
  HttpReply reply;
  prepare(url, timeout, reply);
  curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, headers.get());
  error_text[0] = '\0';
  curl_multi_add_handle(multi.get(), easy.get());
  const CURLcode code = run();
  long status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  curl_multi_remove_handle(multi.get(), easy.get());
  curl_easy_reset(easy.get());  // keeps the connection, forgets what points into this call
  if (code == CURLE_ABORTED_BY_CALLBACK) return fail(Errc::unavailable, url + ": cancelled");
  if (code == CURLE_WRITE_ERROR) {
    return fail(Errc::limit,
                url + ": the reply is larger than " + std::to_string(kMaxReplyBytes) + " bytes");
  }
  if (code != CURLE_OK) {
    const std::string why = error_text[0] != '\0' ? error_text.data() : curl_easy_strerror(code);
    return fail(Errc::unavailable, url + ": " + why);
  }
  reply.status = static_cast<int>(status);
  if (reply.status == 401 && access.token.empty()) token.clear();  // its file may have a new one
  reply.content_type = reply.header("content-type");
  return reply;
}

HttpClient::HttpClient(HttpAccess access) : impl_(std::make_unique<Impl>(std::move(access))) {}
HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;

Result<HttpReply> HttpClient::get(std::string_view path_and_query, Millis timeout,
                                  std::string_view accept) {
  HeaderList headers;
  if (!accept.empty()) append_header(headers, "Accept: " + std::string(accept));
  return impl_->transfer(path_and_query, timeout, std::move(headers));
}

Result<HttpReply> HttpClient::post(std::string_view path, std::string_view content_type,
                                   std::string_view body, Millis timeout) {
  HeaderList headers;
  append_header(headers, "Content-Type: " + std::string(content_type));
  append_header(headers, "Expect:");  // no pause for "100 Continue" before larger bodies
  CURL* handle = impl_->easy.get();
  curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body.data());  // borrowed until the transfer ends
  return impl_->transfer(path, timeout, std::move(headers));
}

const std::string& HttpClient::url() const noexcept { return impl_->url(); }

void HttpClient::turn_to_next() {
  impl_->server = (impl_->server + 1) % (1 + impl_->access.others.size());
}

void HttpClient::cancel() {
  impl_->cancelled.store(true);
  curl_multi_wakeup(impl_->multi.get());
}

std::string HttpClient::escape(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  constexpr std::string_view kUnreserved =  // RFC 3986 section 2.3
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string escaped;
  for (const char c : text) {
    if (kUnreserved.find(c) != std::string_view::npos) {
      escaped.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    escaped += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return escaped;
}

}  // namespace isochrone
