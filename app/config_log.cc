// SPDX-License-Identifier: Apache-2.0
#include "app/config_log.h"

namespace isochrone::app {
namespace {

void read_servers(const Section& section, collector::NatsOptions& options) {
  Unique servers("server", section);
  for (const auto& [server, mark] : section.many<std::string>("nats")) {
    servers.check(server, mark);
    options.servers.push_back(server);
    if (!server.starts_with("nats://") && !server.starts_with("tls://")) {
      section.complain(
          mark, "collector.log.nats: " + server + " is no NATS server; write nats://HOST:4222");
    } else if (server.find('@') != std::string::npos) {
      section.complain(
          mark,
          "collector.log.nats: a user or password in a URL is read by whoever reads this "
          "file; put it into collector.log.credentials or token-file");
    }
  }
  if (section.is_empty_list("nats")) {
    section.complain(
        section.mark_of("nats"),
        "collector.log.nats: none; name the servers, or remove collector.log to keep the "
        "event log on this machine");
  }
}

}  // namespace

collector::NatsOptions read_log(const Section& section) {
  collector::NatsOptions options;
  if (!section.is_present()) return options;
  read_servers(section, options);
  options.stream = section.one<std::string>("stream").value_or(options.stream);
  options.replicas = static_cast<unsigned>(section.one<std::int64_t>("replicas").value_or(1));
  if (options.stream.find('.') != std::string::npos) {
    section.complain(section.mark_of("stream"),
                     "collector.log.stream: NATS takes no dot in the name of a stream; remove it");
  }
  if (options.replicas % 2 == 0) {
    section.complain(
        section.mark_of("replicas"),
        "collector.log.replicas: two replicas need both to work, four need three; write 1, "
        "3 or 5");
  }
  options.lease =
      std::chrono::duration_cast<Millis>(section.one<Nanos>("lease").value_or(options.lease));
  options.credentials = section.file("credentials");
  options.token_file = section.file("token-file");
  options.ca = section.file("ca");
  options.certificate = section.file("certificate");
  options.key = section.file("key");
  if (section.has("certificate") != section.has("key")) {
    section.complain(section.mark_of(section.has("key") ? "key" : "certificate"),
                     "collector.log: a certificate and its key belong together; give both");
  }
  if (section.has("credentials") && section.has("token-file")) {
    section.complain(
        section.mark_of("token-file"),
        "collector.log: credentials and token-file are two ways to say who this is; give "
        "one of them");
  }
  return options;
}

}  // namespace isochrone::app
