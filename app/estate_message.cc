// SPDX-License-Identifier: Apache-2.0
#include "app/estate_message.h"

#include <nlohmann/json.hpp>

namespace isochrone::app {
namespace {

using nlohmann::json;
using Kind = dns::HandedSocket::Kind;

const char* name_of(Kind kind) {
  return kind == Kind::udp ? "udp" : kind == Kind::tcp ? "tcp" : "tls";
}

std::optional<Kind> kind_of(const std::string& name) {
  for (const Kind kind : {Kind::udp, Kind::tcp, Kind::tls}) {
    if (name == name_of(kind)) return kind;
  }
  return std::nullopt;
}

struct Item {
  json says;
  int fd;
};

std::vector<Item> items_of(const Estate& estate, const Fd& control) {
  std::vector<Item> items;
  for (const dns::HandedSocket& socket : estate.dns.sockets) {
    items.push_back({{{"kind", name_of(socket.kind)},
                      {"asked", socket.asked.to_string()},
                      {"bound", socket.bound.to_string()}},
                     socket.fd.get()});
  }
  const auto add = [&](const char* kind, const Fd& fd) {
    if (fd) items.push_back({{{"kind", kind}}, fd.get()});
  };
  add("lock", estate.dns.lock);
  add("control", control);
  add("collector", estate.collector);
  add("http", estate.http);
  return items;
}

void take(const json& says, Fd fd, Estate& estate, Fd& control) {
  const std::string kind = says.value("kind", "");
  const auto asked = Endpoint::parse(says.value("asked", ""));
  const auto bound = Endpoint::parse(says.value("bound", ""));
  if (const auto socket = kind_of(kind)) {
    if (asked && bound) estate.dns.sockets.push_back({*socket, *asked, *bound, std::move(fd)});
  } else if (kind == "lock") {
    estate.dns.lock = std::move(fd);
  } else if (kind == "control") {
    control = std::move(fd);
  } else if (kind == "collector") {
    estate.collector = std::move(fd);
  } else if (kind == "http") {
    estate.http = std::move(fd);
  }
}

}  // namespace

Metrics::Counters counters_in(const std::string& text) {
  Metrics::Counters counters;
  const json said = json::parse(text, nullptr, false);
  if (!said.is_object() || !said.contains("counters")) return counters;
  for (const auto& [key, value] : said["counters"].items()) {
    if (value.is_number()) counters[key] = value.get<double>();
  }
  return counters;
}

Result<void> send_estate(UnixChannel& channel, const Estate& estate, const Fd& control) {
  const std::vector<Item> items = items_of(estate, control);
  std::size_t at = 0;
  do {
    json have = json::array();
    std::vector<int> descriptors;
    for (; at < items.size() && descriptors.size() < UnixChannel::kMaxDescriptors; ++at) {
      have.push_back(items[at].says);
      descriptors.push_back(items[at].fd);
    }
    const json message{{"have", std::move(have)}, {"more", at < items.size()}};
    if (auto sent = channel.send(message.dump(), descriptors); !sent) return sent;
  } while (at < items.size());
  return {};
}

Result<Estate> receive_estate(UnixChannel& channel, Fd& control, Millis patience) {
  Estate estate;
  for (bool more = true; more;) {
    auto message = channel.receive(patience);
    if (!message) return tl::unexpected(message.error());
    const json said = json::parse(message->text, nullptr, false);
    const json have = said.is_object() ? said.value("have", json()) : json();
    if (!have.is_array() || have.size() != message->descriptors.size()) {
      return fail(Errc::invalid, "the running process gave its sockets in a way unknown here");
    }
    for (std::size_t i = 0; i < have.size(); ++i) {
      take(have[i], std::move(message->descriptors[i]), estate, control);
    }
    more = said.value("more", false);
  }
  return estate;
}

}  // namespace isochrone::app
