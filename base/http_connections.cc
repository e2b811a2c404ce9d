// SPDX-License-Identifier: Apache-2.0
#include "base/http_connections.h"

#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

namespace isochrone {
namespace {

// A whole network of IPv6 belongs to one client (RFC 6177).
Prefix client_of(const Address& address) { return {address, address.is_v4() ? 32 : 64}; }

std::int64_t now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<Millis>(now).count();
}

}  // namespace

HttpConnection::HttpConnection(HttpConnections& all, int socket, Prefix client)
    : all_(all), socket_(socket), client_(client) {
  ended();
}

void HttpConnection::begin() { deadline_ms_.store(now_ms() + all_.request_.count()); }

void HttpConnection::arrived() { deadline_ms_.store(0); }

void HttpConnection::ended() {
  deadline_ms_.store(now_ms() + (all_.idle_ + all_.request_).count());
}

void HttpConnection::use(std::shared_ptr<const HttpCredentials> credentials, void* session) {
  credentials->use_in(session, is_secured_);
  credentials_ = std::move(credentials);
  session_ = session;
}

bool HttpConnection::is_certified() {
  if (!credentials_) return false;
  if (certified_ == Certified::unknown) {
    certified_ = credentials_->vouch_for_client(session_) ? Certified::yes : Certified::no;
  }
  return certified_ == Certified::yes;
}

long HttpConnection::send(std::string_view bytes) {
  if (credentials_) return HttpCredentials::send(session_, bytes);
  const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0) return sent;
  return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

void HttpConnection::end_sending() {
  if (credentials_) HttpCredentials::end_sending(session_);
  ::shutdown(socket_, SHUT_WR);
}

HttpConnections::HttpConnections(unsigned max_per_client, Millis request, Millis idle)
    : max_per_client_(max_per_client), request_(request), idle_(idle) {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "deadline");
    watch();
  });
}

HttpConnections::~HttpConnections() {
  is_stopping_.store(true);
  stop_.ring();
  thread_.join();
}

bool HttpConnections::admit(const Address& client) {
  const bool is_admitted = state_.with([&](State& state) {
    unsigned& count = state.per_client[client_of(client)];
    if (max_per_client_ > 0 && count >= max_per_client_) return false;
    ++count;
    return true;
  });
  if (!is_admitted) refused_.fetch_add(1);
  return is_admitted;
}

void HttpConnections::leave(State& state, const Prefix& client) {
  const auto found = state.per_client.find(client);
  if (found != state.per_client.end() && --found->second == 0) state.per_client.erase(found);
}

void HttpConnections::withdraw(const Address& client) {
  state_.with([&](State& state) { leave(state, client_of(client)); });
}

HttpConnection* HttpConnections::open(int socket, const Address& client) {
  auto connection = std::make_unique<HttpConnection>(*this, socket, client_of(client));
  state_.with([&](State& state) { state.open.insert(connection.get()); });
  return connection.release();
}

void HttpConnections::close(HttpConnection* connection) {
  const std::unique_ptr<HttpConnection> closed(connection);
  if (connection->credentials_ && !connection->is_secured_) unsecured_.fetch_add(1);
  state_.with([&](State& state) {
    state.open.erase(connection);
    leave(state, connection->client_);
  });
}

// The socket is open while its connection is among those that are: the library closes it after.
void HttpConnections::watch() {
  // An eighth more than the deadline at most, and ten times a second at most.
  const Millis step = std::clamp(request_ / 8, Millis(100), Millis(5'000));
  while (!is_stopping_.load()) {
    stop_.wait(step);
    const std::int64_t now = now_ms();
    state_.with([&](State& state) {
      for (HttpConnection* each : state.open) {
        std::int64_t deadline = each->deadline_ms_.load();
        if (deadline == 0 || deadline > now) continue;
        // Once: the next look finds it without a deadline, unless it went on meanwhile.
        if (!each->deadline_ms_.compare_exchange_strong(deadline, 0)) continue;
        cut_.fetch_add(1);
        ::shutdown(each->socket_, SHUT_RDWR);
      }
    });
  }
}

}  // namespace isochrone
