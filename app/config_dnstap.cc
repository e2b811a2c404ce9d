// SPDX-License-Identifier: Apache-2.0
#include "app/config_dnstap.h"

#include <fmt/format.h>
#include <sys/un.h>

namespace isochrone::app {
namespace {

// Only the folder has to be there: the file is made, the receiver may come later.
void check_file(const Section& section, const std::filesystem::path& file) {
  std::error_code error;
  const auto folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  if (!std::filesystem::is_directory(folder, error)) {
    section.complain(section.mark_of("file"),
                     fmt::format("dns.dnstap.file: there is no folder {}; make it, writable for "
                                 "the server",
                                 folder.string()));
  } else if (std::filesystem::exists(file, error) &&
             !std::filesystem::is_regular_file(file, error)) {
    section.complain(section.mark_of("file"),
                     fmt::format("dns.dnstap.file: {} is not a file; a receiver's socket goes to "
                                 "dns.dnstap.socket",
                                 file.string()));
  }
}

void check_socket(const Section& section, const std::filesystem::path& socket) {
  if (socket.string().size() < sizeof(sockaddr_un::sun_path)) return;
  section.complain(section.mark_of("socket"),
                   fmt::format("dns.dnstap.socket: {} is too long for a UNIX socket; at most {} "
                               "octets",
                               socket.string(), sizeof(sockaddr_un::sun_path) - 1));
}

}  // namespace

dns::TapOptions read_dnstap(const Section& section) {
  dns::TapOptions options;
  if (!section.is_present()) return options;
  const int places =
      int{section.has("file")} + int{section.has("socket")} + int{section.has("tcp")};
  if (places != 1) {
    section.complain(section.mark(), "dns.dnstap: give exactly one of file, socket and tcp");
  }
  options.file = section.path("file");
  options.socket = section.path("socket");
  options.tcp = section.one<Endpoint>("tcp");
  if (!options.file.empty()) check_file(section, options.file);
  if (!options.socket.empty()) check_socket(section, options.socket);
  options.queries = section.one<bool>("queries").value_or(true);
  options.answers = section.one<bool>("answers").value_or(true);
  if (!options.queries && !options.answers) {
    section.complain(section.mark(),
                     "dns.dnstap logs neither queries nor answers; leave one on or remove it");
  }
  options.version = "isochrone " ISOCHRONE_VERSION;
  return options;
}

}  // namespace isochrone::app
