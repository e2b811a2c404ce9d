// SPDX-License-Identifier: Apache-2.0
//
// TwoHosts: this process in one network namespace, a child that holds another, and a cable between.
//
// The far host answers pings on 10.99.0.2 and 2001:db8:99::2, listens on one TCP port and refuses all
// others; 10.99.1.0/24 is routed to it and swallowed there without an answer. It forwards 10.99.2.0/24
// and 2001:db8:98::/64 into the void: a hop limit of 1 ends there.
// Needs root, or a kernel that lets users make namespaces; fails with a clear message otherwise.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/fd.h"

namespace isochrone::test {

class TwoHosts {
 public:
  // Moves the calling process, which must still have one thread, into new namespaces.
  static TwoHosts& make();

  const std::string& trouble() const { return trouble_; }  // empty when all is well
  std::uint16_t open_port() const { return open_port_; }
  // Connections the far host thinks half open (state SYN_RECV).
  int half_open() const;
  // A socket of the far host, usable from here.
  Fd far_socket(int family, int kind, int protocol) const;

 private:
  TwoHosts();
  ~TwoHosts();
  bool enter_namespaces();
  bool start_far_host();
  bool lay_cable();

  std::string trouble_;
  pid_t far_ = -1;
  int hold_ = -1;  // the far host ends when this is closed
  std::uint16_t open_port_ = 0;
};

}  // namespace isochrone::test
