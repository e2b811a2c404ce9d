// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as what a connection sends: in pieces they give the messages they give as a whole, and each
// is answered with the options of an encrypted transport.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "dns/answer.h"
#include "dns/framing.h"
#include "dns/stream_options.h"
#include "fuzz/dns_world.h"
#include "fuzz/reply_check.h"

using namespace isochrone;

namespace {

using Messages = std::vector<std::vector<std::uint8_t>>;

Messages messages_of(Bytes stream, std::size_t piece) {
  Messages messages;
  std::vector<std::uint8_t> input;
  while (!stream.empty()) {
    const Bytes next = stream.first(std::min(piece, stream.size()));
    stream = stream.subspan(next.size());
    input.insert(input.end(), next.begin(), next.end());
    Bytes rest(input);
    while (const auto message = dns::take_message(rest)) {
      messages.emplace_back(message->begin(), message->end());
    }
    input.erase(input.begin(), input.end() - static_cast<std::ptrdiff_t>(rest.size()));
  }
  return messages;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static std::vector<std::uint8_t> out(dns::kMaxMessage);
  const dns::Snapshot& snapshot = fuzz::dns_worlds()[1];
  if (size == 0) return 0;
  const Bytes stream(data + 1, size - 1);
  const Messages messages = messages_of(stream, std::max<std::size_t>(size, 1));
  if (messages != messages_of(stream, std::size_t{data[0]} % 16 + 1)) std::abort();
  for (const auto& message : messages) {
    dns::Request request;
    request.query = message;
    request.sender = Address::v4(10, 1, 2, 3);
    request.transport = dns::Transport::tcp;
    auto reply = dns::answer(snapshot, request, out);
    fuzz::check_reply(snapshot, request, reply, out);
    const std::size_t before = reply.size;
    dns::add_stream_options(out, reply, Millis(10'000), true);
    if (reply.size < before || reply.size > out.size()) std::abort();
    if (reply.size > 0 && !fuzz::is_whole(Bytes(out).first(reply.size))) std::abort();
    if (reply.wants_padding && reply.size % dns::kPaddedBlock != 0 && reply.size != out.size())
      std::abort();
  }
  return 0;
}
