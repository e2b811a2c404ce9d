// SPDX-License-Identifier: Apache-2.0
#include "lab/control.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace isochrone::lab {
namespace {

// How long a command waits for the lab's answer: it is one loop iteration away.
constexpr int kAnswerSeconds = 5;

Result<sockaddr_un> to_sockaddr(const std::filesystem::path& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = socket.string();
  if (text.size() >= sizeof address.sun_path) {
    return fail(Errc::limit,
                "the path " + text + " is too long for a socket; choose a shorter --state");
  }
  std::memcpy(address.sun_path, text.data(), text.size());
  return address;
}

Result<Fd> connect_to(const std::filesystem::path& socket) {
  const auto address = to_sockaddr(socket);
  if (!address) return tl::unexpected(address.error());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("cannot make a socket", errno);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return fail(Errc::unavailable, "no lab listens on " + socket.string() + ": " +
                                       std::strerror(errno) +
                                       "; start one with `isochrone lab run`, or name its --state");
  }
  return fd;
}

bool send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::open(Loop& loop,
                                                           const std::filesystem::path& socket,
                                                           Handler handler) {
  if (connect_to(socket)) {
    return fail(Errc::unavailable,
                "a lab runs already on " + socket.string() +
                    "; stop it with `isochrone lab stop`, or choose another --state");
  }
  const auto address = to_sockaddr(socket);
  if (!address) return tl::unexpected(address.error());
  std::error_code ignored;
  std::filesystem::remove(socket, ignored);
  Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return fail_errno("cannot make a socket", errno);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 ||
      ::chmod(socket.c_str(), S_IRUSR | S_IWUSR) != 0 || ::listen(listener.get(), 16) != 0) {
    return fail_errno("cannot listen on " + socket.string(), errno);
  }
  return std::unique_ptr<ControlServer>(
      new ControlServer(loop, socket, std::move(listener), std::move(handler)));
}

ControlServer::ControlServer(Loop& loop, std::filesystem::path socket, Fd listener, Handler handler)
    : loop_(loop),
      socket_(std::move(socket)),
      listener_(std::move(listener)),
      handler_(std::move(handler)),
      poll_(std::make_unique<Poll>(loop, listener_.get(), [this](unsigned) { accept_one(); })) {
  poll_->watch(Poll::readable);
}

ControlServer::~ControlServer() {
  std::error_code ignored;
  std::filesystem::remove(socket_, ignored);
}

void ControlServer::accept_one() {
  Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd || clients_.size() == kMaxClients) return;
  const int key = fd.get();
  Client& client = clients_[key];
  client.fd = std::move(fd);
  client.poll = std::make_unique<Poll>(loop_, key, [this, key](unsigned) { read_client(key); });
  client.poll->watch(Poll::readable);
}

void ControlServer::read_client(int fd) {
  Client& client = clients_.at(fd);
  std::array<char, kMaxRequestBytes> block{};
  const auto count = ::recv(fd, block.data(), block.size(), 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count > 0) client.received.append(block.data(), static_cast<std::size_t>(count));
  const auto end = client.received.find('\n');
  const bool is_complete = end != std::string::npos;
  if (count > 0 && !is_complete && client.received.size() <= kMaxRequestBytes) return;
  if (is_complete && end <= kMaxRequestBytes) {
    // Answers are a few KiB at most and fit the socket's buffer; a client that is gone loses its
    // own.
    static_cast<void>(
        send_all(fd, handler_(std::string_view(client.received).substr(0, end)) + "\n"));
  }
  client.poll.reset();  // before the descriptor it watches
  clients_.erase(fd);
}

Result<std::string> ask(const std::filesystem::path& socket, std::string_view request) {
  auto fd = connect_to(socket);
  if (!fd) return tl::unexpected(fd.error());
  const timeval patience{kAnswerSeconds, 0};
  ::setsockopt(fd->get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (!send_all(fd->get(), std::string(request) + "\n")) {
    return fail_errno("cannot send to the lab", errno);
  }
  std::string answer;
  std::array<char, 4096> block{};
  while (answer.empty() || answer.back() != '\n') {
    const auto count = ::recv(fd->get(), block.data(), block.size(), 0);
    if (count <= 0) {
      return fail(Errc::unavailable, "the lab on " + socket.string() + " does not answer");
    }
    answer.append(block.data(), static_cast<std::size_t>(count));
  }
  answer.pop_back();
  return answer;
}

}  // namespace isochrone::lab
