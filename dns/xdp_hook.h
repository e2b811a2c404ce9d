// SPDX-License-Identifier: Apache-2.0
//
// XdpHook: the program, attached to one interface for as long as this lives.
//
// Ending:  the attachment is a descriptor of this process (a BPF link) and nothing is pinned: the
//          kernel detaches when the process ends, however it ends, and the next start finds nothing.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "dns/interface.h"
#include "dns/xdp_program.h"

namespace isochrone::dns {

class XdpHook {
 public:
  // `in_driver`: run by the driver, before the kernel makes a packet of the frame.
  static Result<XdpHook> attach(const Interface& interface, const XdpFilter& filter,
                                bool in_driver);

  // From now on what the filter takes from this receive queue goes to this AF_XDP socket.
  Result<void> serve(unsigned queue, int socket);

 private:
  // In the order of making; the link goes first.
  Fd sockets_;
  Fd program_;
  Fd link_;
};

}  // namespace isochrone::dns
