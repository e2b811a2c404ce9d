// SPDX-License-Identifier: Apache-2.0
#include "base/http_exchange.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "base/http_text.h"
#include "base/text.h"

namespace isochrone {
namespace {

// A body beyond its limit is read and dropped this many times over, so that an honest client sees
// the 413; after that the connection is cut.
constexpr std::size_t kPatience = 4;
constexpr std::string_view kAllow = "GET, HEAD, OPTIONS, POST";

}  // namespace

bool HttpCore::enlist(const std::shared_ptr<Pending>& added) {
  return open.with([&](Open& now) {
    if (!now.is_stopping) now.pending.insert(added);
    return !now.is_stopping;
  });
}

HttpResponse HttpCore::refuse(HttpRefusal why, int status, std::string_view error,
                              std::string_view hint) {
  refused[static_cast<std::size_t>(why)].fetch_add(1, std::memory_order_relaxed);
  HttpResponse response = http_error(status, error, hint);
  response.headers.emplace("Connection", "close");  // what follows may not be a request
  return response;
}

HttpExchange::~HttpExchange() {
  for (const std::shared_ptr<Pending>& pending :
       {std::shared_ptr<Pending>(reply_), std::shared_ptr<Pending>(stream_)}) {
    if (!pending) continue;
    pending->gone();
    server_.open.with([&](auto& open) { open.pending.erase(pending); });
  }
  line().ended();
  server_.exchanges.fetch_sub(1);
  server_.completed.ring();
}

HttpConnection& HttpExchange::line() const {
  const auto* info = MHD_get_connection_info(connection_, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return *static_cast<HttpConnection*>(info->socket_context);
}

int HttpExchange::socket() const {
  return MHD_get_connection_info(connection_, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

bool HttpExchange::peer_waits() const {
  char byte = 0;
  const ssize_t status = ::recv(socket(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return status > 0 || (status < 0 && (errno == EAGAIN || errno == EINTR));
}

MHD_Result HttpExchange::proceed(const char* method, const char* data, std::size_t& size) {
  if (phase_ == Phase::head) {
    phase_ = Phase::body;
    auto refusal = read_head(method);
    return refusal ? queue(std::move(*refusal)) : MHD_YES;
  }
  if (phase_ == Phase::body) return size > 0 ? read_body(data, size) : finish();
  if (stream_) return MHD_NO;  // it has ended
  auto response = reply_->take();
  return response ? queue(std::move(*response)) : MHD_NO;
}

std::optional<HttpResponse> HttpExchange::read_head(std::string_view method) {
  is_head_request_ = method == "HEAD";
  request_.method = is_head_request_ ? "GET" : method;
  if (method == "OPTIONS" && !server_.limits.takes_options) {
    HttpResponse allowed;
    allowed.status = 204;
    allowed.headers.emplace("Allow", kAllow);
    return allowed;
  }
  if (request_.method != "GET" && request_.method != "POST" && request_.method != "OPTIONS") {
    auto refusal = server_.refuse(HttpRefusal::method, 405, "this method is not known here",
                                  "use GET, HEAD or POST");
    refusal.headers.emplace("Allow", kAllow);
    return refusal;
  }
  auto target = parse_http_target(target_);
  if (!target) {
    return server_.refuse(HttpRefusal::target, 400, "the request target is not well-formed",
                          "it is a path with percent-encoding, then ?key=value&...");
  }
  request_.path = std::move(target->path);
  request_.query = std::move(target->query);
  const auto* peer = MHD_get_connection_info(connection_, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  if (const auto address = Address::from_sockaddr(*peer->client_addr)) request_.peer = *address;
  return read_headers();
}

// Two headers that frame the body, or one twice, is how requests are smuggled past a proxy that
// reads the other one (RFC 9112 section 11.2).
std::optional<HttpResponse> HttpExchange::read_headers() {
  struct Read {
    std::map<std::string, std::string>* headers;
    int lengths = 0;
    int codings = 0;
  } read{&request_.headers};
  MHD_get_connection_values(
      connection_, MHD_HEADER_KIND,
      [](void* into, MHD_ValueKind, const char* name, const char* value) {
        auto& found = *static_cast<Read*>(into);
        const std::string lower = to_lower(std::string_view(name));
        found.lengths += lower == "content-length" ? 1 : 0;
        found.codings += lower == "transfer-encoding" ? 1 : 0;
        const std::string_view text = value == nullptr ? "" : value;
        const auto [header, is_first] = found.headers->try_emplace(lower, text);
        if (!is_first && lower == "x-forwarded-for") header->second.append(", ").append(text);
        return MHD_YES;
      },
      &read);
  const auto& headers = request_.headers;
  if (read.lengths + read.codings > 1 ||
      (read.codings == 1 && to_lower(headers.at("transfer-encoding")) != "chunked")) {
    return server_.refuse(HttpRefusal::headers, 400, "the length of the body is ambiguous",
                          "send one Content-Length, or Transfer-Encoding: chunked");
  }
  if (read.lengths == 0) return std::nullopt;
  const auto length = parse_number<std::uint64_t>(headers.at("content-length"));
  if (length && *length <= server_.limits.max_body_bytes) return std::nullopt;
  return server_.refuse(HttpRefusal::body_size, 413, "the body is too large",
                        "send at most " + std::to_string(server_.limits.max_body_bytes) + " bytes");
}

MHD_Result HttpExchange::read_body(const char* data, std::size_t& size) {
  received_bytes_ += size;
  if (received_bytes_ <= server_.limits.max_body_bytes) {
    request_.body.append(data, size);
  } else {
    request_.body = {};
    if (received_bytes_ / kPatience > server_.limits.max_body_bytes) return MHD_NO;
  }
  size = 0;
  return MHD_YES;
}

MHD_Result HttpExchange::finish() {
  line().arrived();
  request_.is_certified = line().is_certified();
  if (received_bytes_ > server_.limits.max_body_bytes) {
    return queue(
        server_.refuse(HttpRefusal::body_size, 413, "the body is too large",
                       "send at most " + std::to_string(server_.limits.max_body_bytes) + " bytes"));
  }
  if (server_.open.with([](const auto& open) { return open.is_stopping; })) {
    return queue(server_.refuse(HttpRefusal::stopping, 503, "the server is stopping", "try again"));
  }
  HttpResponse response = server_.handler(request_);
  if (is_head_request_) {
    response.later = nullptr;
    response.stream = nullptr;
  }
  return response.later ? promise(response.later) : queue(std::move(response));
}

MHD_Result HttpExchange::promise(
    const std::function<void(std::shared_ptr<HttpReplyLater>)>& later) {
  phase_ = Phase::owed;
  reply_ = std::make_shared<PendingReply>(*this);
  if (!server_.enlist(reply_)) reply_->end();
  later(reply_->handle());
  return MHD_YES;
}

// The library's part ends here: it is resumed when the stream has ended, and closes the connection.
MHD_Result HttpExchange::begin_stream(HttpResponse response) {
  if (server_.open.with([](const auto& open) { return open.is_stopping; })) {
    return queue(server_.refuse(HttpRefusal::stopping, 503, "the server is stopping", "try again"));
  }
  phase_ = Phase::owed;
  std::string head = "HTTP/1.1 200 OK\r\nDate: " + http_date() + "\r\nConnection: close\r\n" +
                     "Content-Type: " + response.content_type + "\r\n";
  for (const auto& [name, value] : response.headers) head += name + ": " + value + "\r\n";
  server_.by_class[2].fetch_add(1, std::memory_order_relaxed);
  stream_ = server_.streamer.open(*this, head + "\r\n" + response.body);
  if (!server_.enlist(stream_)) stream_->end();
  response.stream(stream_->handle());
  return MHD_YES;
}

MHD_Result HttpExchange::queue(HttpResponse response) {
  if (response.stream) return begin_stream(std::move(response));
  response_body_ = std::move(response.body);
  MHD_Response* made = MHD_create_response_from_buffer(response_body_.size(), response_body_.data(),
                                                       MHD_RESPMEM_PERSISTENT);
  if (made == nullptr) return MHD_NO;
  if (response.status != 204) {
    MHD_add_response_header(made, "Content-Type", response.content_type.c_str());
  }
  for (const auto& [name, value] : response.headers) {
    MHD_add_response_header(made, name.c_str(), value.c_str());
  }
  const auto status = static_cast<unsigned>(response.status);
  const MHD_Result queued = MHD_queue_response(connection_, status, made);
  MHD_destroy_response(made);  // ours; the connection holds its own reference
  server_.by_class[status / 100 % 6].fetch_add(1, std::memory_order_relaxed);
  return queued;
}

}  // namespace isochrone
