// SPDX-License-Identifier: Apache-2.0
#include "dns/notify_out.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/fd.h"
#include "base/log.h"
#include "base/random.h"
#include "dns/name.h"
#include "dns/wire.h"

namespace isochrone::dns {

class NotifyOut::Message {
 public:
  Message(NotifyOut& out, Bytes apex, const TransferPeer& peer, const TsigKey* key)
      : out_(out),
        peer_(peer),
        apex_(apex.begin(), apex.end()),
        again_(out.loop_, [this] { send(); }) {
    if (key != nullptr) key_ = std::make_unique<TsigKey>(*key);
    random_bytes(id_);
    sockaddr_storage to{};
    const socklen_t size = peer.endpoint.to_sockaddr(to);
    socket_ = Fd(::socket(to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (socket_ && connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), size) == 0) {
      poll_ = std::make_unique<Poll>(out.loop_, socket_.get(), [this](unsigned) { receive(); });
      poll_->watch(Poll::readable);
    }
    again_.start(Millis(0));
  }

  bool is_for(Bytes apex, const TransferPeer& peer) const {
    return peer.endpoint == peer_.endpoint &&
           std::equal(apex.begin(), apex.end(), apex_.begin(), apex_.end());
  }

 private:
  void send() {
    if (tries_ == kTries) {
      log_warning(
          fmt::format("secondary does not answer NOTIFY, it will ask by itself later "
                      "zone={} secondary={}",
                      name_to_text(apex_), peer_.endpoint.to_string()));
      return out_.end(*this);
    }
    auto message = request();
    // When it cannot be sent, it is as good as lost on the way.
    ::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    again_.start(kFirstPause * (1U << tries_++));
  }

  std::vector<std::uint8_t> request() const {
    std::vector<std::uint8_t> message{
        id_[0], id_[1], (kOpcodeNotify << 3) | 0x04, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    message.insert(message.end(), apex_.begin(), apex_.end());
    message.insert(message.end(), {0, type::soa, 0, kClassIn});
    if (key_) {
      TsigChain(*key_).sign(
          message, static_cast<std::uint64_t>(unix_nanos(out_.loop_.wall()) / 1'000'000'000));
    }
    return message;
  }

  // Any reply with our id will do: the most a forged one can do is to leave it at the refresh timer.
  void receive() {
    std::array<std::uint8_t, 512> reply{};
    const ssize_t size = recv(socket_.get(), reply.data(), reply.size(), MSG_DONTWAIT);
    if (size < static_cast<ssize_t>(kHeaderOctets) || reply[0] != id_[0] || reply[1] != id_[1] ||
        (reply[2] & 0xf8) != (0x80 | kOpcodeNotify << 3)) {
      return;
    }
    if (const int rcode = reply[3] & 0xf; rcode != 0) {
      log_warning(fmt::format("secondary refuses NOTIFY zone={} secondary={} rcode={}",
                              name_to_text(apex_), peer_.endpoint.to_string(), rcode));
    }
    out_.end(*this);
  }

  NotifyOut& out_;
  const TransferPeer peer_;
  const std::vector<std::uint8_t> apex_;
  std::unique_ptr<TsigKey> key_;
  std::array<std::uint8_t, 2> id_{};
  unsigned tries_ = 0;
  Fd socket_;
  std::unique_ptr<Poll> poll_;
  Timer again_;
};

NotifyOut::NotifyOut(Loop& loop) : loop_(loop) {}
NotifyOut::~NotifyOut() = default;

void NotifyOut::tell(Bytes apex, const std::vector<TransferPeer>& peers,
                     const TransferPolicy& policy) {
  for (const TransferPeer& peer : peers) {
    std::erase_if(messages_, [&](const auto& message) { return message->is_for(apex, peer); });
    messages_.push_back(std::make_unique<Message>(*this, apex, peer, policy.key(peer.key)));
  }
}

void NotifyOut::end(const Message& message) {
  std::erase_if(messages_, [&](const auto& one) { return one.get() == &message; });
}

}  // namespace isochrone::dns
