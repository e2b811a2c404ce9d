// SPDX-License-Identifier: Apache-2.0
#include "collector/nats.h"

#include <fmt/format.h>
#include <nats/nats.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/log.h"
#include "base/random.h"
#include "base/secret_file.h"

namespace isochrone::collector {
namespace {

// A server that does not answer two pings is left for another one.
constexpr std::int64_t kPingMs = 1'000;
constexpr int kPingsOut = 2;
// How long one question waits: a new leader is elected within.
constexpr std::int64_t kWaitMs = 2'500;
// What headers of a message take at most: two numbers and an id.
constexpr std::size_t kHeaderBytes = 512;
// What one message has at most, whatever the server allows: 1 MiB is its default.
constexpr std::size_t kMaxMessageBytes = 1 << 20;
// Messages that one request of a reader brings.
constexpr int kFetch = 32;
constexpr int kWrongLastSequence = 10'071;  // JSStreamWrongLastSequenceErrF
constexpr int kWrongLastId = 10'070;        // JSStreamWrongLastMsgIDErrF

// A handle of the library and what frees it.
template <class T, void (*Free)(T*)>
struct Freed {
  void operator()(T* handle) const { Free(handle); }
};
template <class T, void (*Free)(T*)>
using Handle = std::unique_ptr<T, Freed<T, Free>>;
using Connection = Handle<natsConnection, natsConnection_Destroy>;
using Context = Handle<jsCtx, jsCtx_Destroy>;
using Subscription = Handle<natsSubscription, natsSubscription_Destroy>;
using Message = Handle<natsMsg, natsMsg_Destroy>;
using Options = Handle<natsOptions, natsOptions_Destroy>;

Error failed(std::string_view what, natsStatus status) {
  return {Errc::unavailable, fmt::format("NATS: {}: {}", what, natsStatus_GetText(status))};
}

// What JetStream knows a message by.
std::string name_of(std::uint64_t id, std::size_t part) {
  return fmt::format("{:016x}-{}", id, part);
}

std::string_view data_of(natsMsg* message) {
  return {natsMsg_GetData(message), static_cast<std::size_t>(natsMsg_GetDataLength(message))};
}

bool load_secrets(natsOptions* to, const NatsOptions& options, std::string& token) {
  natsStatus status = NATS_OK;
  if (!options.credentials.empty()) {
    status = natsOptions_SetUserCredentialsFromFiles(to, options.credentials.c_str(), nullptr);
  }
  if (status == NATS_OK && !token.empty()) status = natsOptions_SetToken(to, token.c_str());
  if (!options.ca.empty() || !options.certificate.empty()) {
    if (status == NATS_OK) status = natsOptions_SetSecure(to, true);
    if (status == NATS_OK && !options.ca.empty()) {
      status = natsOptions_LoadCATrustedCertificates(to, options.ca.c_str());
    }
    if (status == NATS_OK && !options.certificate.empty()) {
      status =
          natsOptions_LoadCertificatesChain(to, options.certificate.c_str(), options.key.c_str());
    }
  }
  return status == NATS_OK;
}

// Connections that break are made anew by who uses them, so that a server without a quorum is left.
bool set_options(natsOptions* to, const std::vector<const char*>& servers) {
  return natsOptions_SetServers(to, const_cast<const char**>(servers.data()),
                                static_cast<int>(servers.size())) == NATS_OK &&
         natsOptions_SetNoRandomize(to, true) == NATS_OK &&
         natsOptions_SetIgnoreDiscoveredServers(to, true) == NATS_OK &&
         natsOptions_SetAllowReconnect(to, false) == NATS_OK &&
         natsOptions_SetTimeout(to, 1'000) == NATS_OK &&
         natsOptions_SetPingInterval(to, kPingMs) == NATS_OK &&
         natsOptions_SetMaxPingsOut(to, kPingsOut) == NATS_OK &&
         natsOptions_SetSendAsap(to, true) == NATS_OK &&
         natsOptions_SetWriteDeadline(to, kWaitMs) ==
             NATS_OK &&  // a server that is cut off takes nothing
         natsOptions_SetFailRequestsOnDisconnect(to, true) == NATS_OK &&
         natsOptions_SetName(to, "isochrone") == NATS_OK;
}

}  // namespace

struct Nats::Impl {
  NatsOptions options;
  std::string subject;
  std::string replies;  // what acknowledgements come to, without its last token
  Connection connection;
  Context js;
  Subscription acks;

  bool is_connected() const {
    return natsConnection_Status(connection.get()) == NATS_CONN_STATUS_CONNECTED;
  }
  std::optional<Error> send(const std::string& message, std::uint64_t id, std::size_t part,
                            std::uint64_t last, const std::optional<Word>& word) const;
};

Nats::Nats(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Nats::~Nats() = default;

Result<std::unique_ptr<Nats>> Nats::connect(const NatsOptions& options, std::size_t first) {
  std::string token;
  if (!options.token_file.empty()) {
    auto read = read_secret_file(options.token_file);
    if (!read) return tl::unexpected(read.error());
    token = std::move(*read);
    while (!token.empty() && token.back() <= ' ') token.pop_back();
  }
  std::vector<const char*> servers;
  for (std::size_t i = 0; i < options.servers.size(); ++i) {
    servers.push_back(options.servers[(first + i) % options.servers.size()].c_str());
  }
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->subject = options.stream + ".log";
  natsOptions* raw = nullptr;
  natsStatus status = natsOptions_Create(&raw);
  const Options how(raw);
  if (status != NATS_OK || !set_options(raw, servers) || !load_secrets(raw, options, token)) {
    const char* why = nats_GetLastError(nullptr);
    return fail(Errc::invalid, fmt::format("NATS: the credentials or certificates of collector.log "
                                           "cannot be used: {}",
                                           why != nullptr ? why : natsStatus_GetText(status)));
  }
  natsConnection* connection = nullptr;
  status = natsConnection_Connect(&connection, raw);
  impl->connection.reset(connection);
  if (status != NATS_OK) {
    return fail(
        Errc::unavailable,
        fmt::format("NATS: no server of collector.log.nats can be reached ({} and {} more): "
                    "{}; start nats-server with JetStream, or correct the list",
                    servers.front(), servers.size() - 1, natsStatus_GetText(status)));
  }
  jsOptions wait;
  jsOptions_Init(&wait);
  wait.Wait = kWaitMs;
  jsCtx* js = nullptr;
  status = natsConnection_JetStream(&js, connection, &wait);
  impl->js.reset(js);
  impl->replies = fmt::format("_INBOX.isochrone.{:016x}.", random_u64());
  natsSubscription* acks = nullptr;
  if (status == NATS_OK) {
    status = natsConnection_SubscribeSync(&acks, connection, (impl->replies + "*").c_str());
  }
  impl->acks.reset(acks);
  if (status != NATS_OK) return tl::unexpected(failed("cannot use the connection", status));
  return std::unique_ptr<Nats>(new Nats(std::move(impl)));
}

Result<Nats::Stream> Nats::stream() {
  const NatsOptions& options = impl_->options;
  jsStreamInfo* info = nullptr;
  jsErrCode code = static_cast<jsErrCode>(0);
  natsStatus status =
      js_GetStreamInfo(&info, impl_->js.get(), options.stream.c_str(), nullptr, &code);
  if (status == NATS_NOT_FOUND) {
    const std::string id = fmt::format("{:016x}", random_u64());
    const char* subject = impl_->subject.c_str();
    jsStreamConfig wanted;
    jsStreamConfig_Init(&wanted);
    wanted.Name = options.stream.c_str();
    wanted.Description = id.c_str();
    wanted.Subjects = &subject;
    wanted.SubjectsLen = 1;
    wanted.Replicas = options.replicas;
    wanted.AllowDirect = true;
    status = js_AddStream(&info, impl_->js.get(), &wanted, nullptr, &code);
    if (status != NATS_OK) {
      // Another collector may have made it meanwhile.
      status = js_GetStreamInfo(&info, impl_->js.get(), options.stream.c_str(), nullptr, nullptr);
    }
  }
  if (status != NATS_OK) {
    return fail(
        Errc::unavailable,
        fmt::format("NATS: the stream \"{}\" with {} replicas cannot be had ({}, JetStream's "
                    "error {}); JetStream must run on as many servers",
                    options.stream, options.replicas, natsStatus_GetText(status),
                    static_cast<int>(code)));
  }
  const Handle<jsStreamInfo, jsStreamInfo_Destroy> owned(info);
  if (info->Config->Replicas != static_cast<std::int64_t>(options.replicas)) {
    log_warning(fmt::format(
        "the stream has another number of replicas than the configuration stream={} replicas={} "
        "collector.log.replicas={}",
        options.stream, info->Config->Replicas, options.replicas));
  }
  const char* id = info->Config->Description;
  if (id == nullptr || !info->Config->AllowDirect) {
    return fail(Errc::invalid,
                fmt::format("NATS: the stream \"{}\" was made by something else; name "
                            "another one in collector.log.stream",
                            options.stream));
  }
  return Stream{id, info->State.FirstSeq, info->State.LastSeq, info->State.Bytes};
}

std::size_t Nats::max_bytes() const {
  const auto most = static_cast<std::size_t>(natsConnection_GetMaxPayload(impl_->connection.get()));
  return std::min(most, kMaxMessageBytes) - kHeaderBytes;
}

std::optional<Error> Nats::Impl::send(const std::string& message, std::uint64_t id,
                                      std::size_t part, std::uint64_t last,
                                      const std::optional<Word>& word) const {
  const std::string reply = fmt::format("{}{:x}-{}", replies, id, part);
  natsMsg* raw = nullptr;
  natsStatus status = natsMsg_Create(&raw, subject.c_str(), reply.c_str(), message.data(),
                                     static_cast<int>(message.size()));
  const Message owned(raw);
  const auto header = [&](const char* name, const std::string& value) {
    if (status == NATS_OK) status = natsMsgHeader_Set(raw, name, value.c_str());
  };
  header("Nats-Msg-Id", name_of(id, part));
  // A number alone says nothing of what is there: a stream that lost its end has others' words in its place.
  if (word && part == 0) header("Nats-Expected-Last-Msg-Id", name_of(word->id, word->part));
  header("Nats-Expected-Last-Sequence", std::to_string(last + part));
  if (status == NATS_OK) status = natsConnection_PublishMsg(connection.get(), raw);
  if (status != NATS_OK) return failed("cannot publish", status);
  return std::nullopt;
}

std::optional<Error> Nats::publish(const std::vector<std::string>& messages, std::uint64_t id,
                                   std::uint64_t last, const std::optional<Word>& word,
                                   Millis patience) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + patience;
  std::vector<bool> is_stored(messages.size());
  std::size_t missing = messages.size();
  while (impl_->is_connected() && Clock::now() < deadline) {
    for (std::size_t i = 0; i < messages.size(); ++i) {
      if (is_stored[i]) continue;
      if (auto error = impl_->send(messages[i], id, i, last, word)) return error;
    }
    bool is_asked_again = false;
    while (missing > 0 && !is_asked_again && Clock::now() < deadline) {
      natsMsg* raw = nullptr;
      const auto left = std::chrono::duration_cast<Millis>(deadline - Clock::now()).count() / 2 + 1;
      const natsStatus status = natsSubscription_NextMsg(&raw, impl_->acks.get(), left);
      const Message ack(raw);
      if (status != NATS_OK) break;  // nobody answers: ask again, each is stored once
      const std::string_view subject = natsMsg_GetSubject(raw);
      const std::string mine = fmt::format("{}{:x}-", impl_->replies, id);
      if (!subject.starts_with(mine)) continue;  // of an earlier one that was given up
      const auto part = static_cast<std::size_t>(std::atoi(subject.substr(mine.size()).data()));
      if (natsMsg_IsNoResponders(raw)) {
        // No leader for the moment.
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        is_asked_again = true;
        continue;
      }
      const auto said = nlohmann::json::parse(data_of(raw), nullptr, false);
      if (said.is_object() && said.contains("seq") && !said.contains("error")) {
        if (said.value("seq", std::uint64_t{0}) != last + part + 1) {
          return Error(Errc::invalid, "NATS: others wrote first");
        }
        if (part < is_stored.size() && !is_stored[part]) {
          is_stored[part] = true;
          --missing;
        }
        continue;
      }
      const auto error = said.is_object() ? said.value("error", nlohmann::json::object())
                                          : nlohmann::json::object();
      if (error.value("err_code", 0) == kWrongLastId) {
        return Error(Errc::stale, "NATS: the stream's last message is another one");
      }
      if (error.value("err_code", 0) == kWrongLastSequence) {
        return Error(Errc::invalid, "NATS: others wrote first");
      }
      return Error(Errc::unavailable,
                   "NATS: JetStream refuses: " + error.value("description", std::string("?")));
    }
    if (missing == 0) return std::nullopt;
  }
  return Error(Errc::unavailable, "NATS: no acknowledgement; is there a quorum of its servers?");
}

Result<std::optional<std::string>> Nats::get(std::uint64_t sequence, bool of_leader) {
  const char* stream = impl_->options.stream.c_str();
  jsDirectGetMsgOptions which;
  jsDirectGetMsgOptions_Init(&which);
  which.Sequence = sequence;
  natsMsg* raw = nullptr;
  const natsStatus status =
      of_leader ? js_GetMsg(&raw, impl_->js.get(), stream, sequence, nullptr, nullptr)
                : js_DirectGetMsg(&raw, impl_->js.get(), stream, nullptr, &which);
  const Message message(raw);
  if (status == NATS_NOT_FOUND) return std::optional<std::string>();
  if (status != NATS_OK) return tl::unexpected(failed("cannot read the stream", status));
  return std::optional(std::string(data_of(raw)));
}

std::optional<Error> Nats::read(std::uint64_t first, std::uint64_t last,
                                const std::function<bool(std::uint64_t, std::string_view)>& take) {
  if (first > last) return std::nullopt;
  jsSubOptions how;
  jsSubOptions_Init(&how);
  how.Stream = impl_->options.stream.c_str();
  how.Config.DeliverPolicy = js_DeliverByStartSequence;
  how.Config.OptStartSeq = first;
  how.Config.AckPolicy = js_AckNone;
  how.Config.MemoryStorage = true;
  how.Config.Replicas = 1;
  natsSubscription* raw = nullptr;
  natsStatus status = js_PullSubscribe(&raw, impl_->js.get(), impl_->subject.c_str(), nullptr,
                                       nullptr, &how, nullptr);
  const Subscription consumer(raw);
  for (std::uint64_t at = first - 1; status == NATS_OK && at < last;) {
    natsMsgList list{};
    status = natsSubscription_Fetch(&list, raw, kFetch, kWaitMs, nullptr);
    bool goes_on = true;
    for (int i = 0; i < list.Count; ++i) {
      jsMsgMetaData* meta = nullptr;
      if (goes_on && natsMsg_GetMetaData(&meta, list.Msgs[i]) == NATS_OK) {
        at = meta->Sequence.Stream;
        goes_on = at <= last && take(at, data_of(list.Msgs[i]));
        jsMsgMetaData_Destroy(meta);
      }
    }
    natsMsgList_Destroy(&list);
    if (!goes_on) return std::nullopt;
  }
  if (status != NATS_OK) return failed("cannot read the stream", status);
  return std::nullopt;
}

std::optional<Error> Nats::purge(std::uint64_t before) {
  jsOptions which;
  jsOptions_Init(&which);
  which.Wait = kWaitMs;
  which.Stream.Purge.Sequence = before;
  const natsStatus status =
      js_PurgeStream(impl_->js.get(), impl_->options.stream.c_str(), &which, nullptr);
  if (status != NATS_OK) return failed("cannot give up old messages", status);
  return std::nullopt;
}

}  // namespace isochrone::collector
