// SPDX-License-Identifier: Apache-2.0
//
// What libnats alone publishes to JetStream with acknowledgement: messages sent ahead of their acknowledgements,
// as many as are allowed to wait, and nothing done with what they hold.
//
// usage: bench_jetstream URL [--seconds S] [--octets N] [--ids 1]
// With --ids each carries a message id, which the server looks for among those it has seen.
// Prints one JSON object: messages, seconds, messages_per_s.
#include <nats/nats.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

constexpr std::int64_t kAhead = 4'000;      // messages, as many as libnats lets wait by default
constexpr std::int64_t kPatience = 30'000;  // ms, for the last acknowledgements

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

int failed(const char* what, natsStatus status) {
  std::fprintf(stderr, "%s: %s\n", what, natsStatus_GetText(status));
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: bench_jetstream URL [--seconds S] ...\n"), 2;
  double seconds = 3;
  int octets = 100;
  bool has_ids = false;
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--seconds") seconds = std::atof(argv[i + 1]);
    if (flag == "--octets") octets = std::atoi(argv[i + 1]);
    if (flag == "--ids") has_ids = std::atoi(argv[i + 1]) != 0;
  }
  natsConnection* connection = nullptr;
  jsCtx* stream = nullptr;
  natsStatus status = natsConnection_ConnectTo(&connection, argv[1]);
  if (status != NATS_OK) return failed(argv[1], status);
  jsOptions options;
  jsOptions_Init(&options);
  options.PublishAsync.MaxPending = kAhead;
  status = natsConnection_JetStream(&stream, connection, &options);
  const char* subject = "bench.log";
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  config.Name = "bench";
  config.Subjects = &subject;
  config.SubjectsLen = 1;
  if (status == NATS_OK) status = js_AddStream(nullptr, stream, &config, nullptr, nullptr);
  if (status != NATS_OK) return failed("no stream", status);
  const std::string message(static_cast<std::size_t>(octets), 'x');
  std::uint64_t messages = 0;
  const auto start = Clock::now();
  for (; since(start) < seconds && status == NATS_OK; ++messages) {
    const std::string id = std::to_string(messages);
    jsPubOptions how;
    jsPubOptions_Init(&how);
    if (has_ids) how.MsgId = id.c_str();
    status = js_PublishAsync(stream, subject, message.data(), octets, has_ids ? &how : nullptr);
  }
  if (status != NATS_OK) return failed("cannot publish", status);
  jsPubOptions wait;
  jsPubOptions_Init(&wait);
  wait.MaxWait = kPatience;
  status = js_PublishAsyncComplete(stream, &wait);
  if (status != NATS_OK) return failed("not all were acknowledged", status);
  const double took = since(start);
  std::printf("{\"messages\":%llu,\"seconds\":%.3f,\"messages_per_s\":%.0f}\n",
              static_cast<unsigned long long>(messages), took,
              static_cast<double>(messages) / took);
  jsCtx_Destroy(stream);
  natsConnection_Destroy(connection);
  nats_Close();
  return 0;
}
