// SPDX-License-Identifier: Apache-2.0
#include "dns/xdp_hook.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/if_link.h>

#include <cerrno>
#include <cstring>

namespace isochrone::dns {
namespace {

std::string advice(int error_number) {
  switch (error_number) {
    case EPERM:
      return "; XDP needs CAP_NET_ADMIN and CAP_BPF";
    case EBUSY:
    case EEXIST:
      return "; another XDP program is attached: `ip link show` names it";
    case EOPNOTSUPP:
      return "; the driver does not run XDP programs: try dns.xdp.mode skb";
    case ENOSYS:
    case EINVAL:
      return "; the kernel or the driver cannot do this: try dns.xdp.mode skb";
    default:
      return "";
  }
}

tl::unexpected<Error> fail_hook(std::string_view what, const Interface& interface, int error) {
  return fail(Errc::io, fmt::format("cannot {} for {}: {}{}", what, interface.name,
                                    std::strerror(error), advice(error)));
}

}  // namespace

Result<XdpHook> XdpHook::attach(const Interface& interface, const XdpFilter& filter,
                                bool in_driver) {
  XdpHook hook;
  hook.sockets_ = Fd(bpf_map_create(BPF_MAP_TYPE_XSKMAP, "isochrone_xsk", sizeof(std::uint32_t),
                                    sizeof(std::uint32_t), interface.receive_queues, nullptr));
  if (!hook.sockets_) return fail_hook("make the map of AF_XDP sockets", interface, errno);
  const auto code = assemble_xdp_program(filter, hook.sockets_.get());
  hook.program_ = Fd(bpf_prog_load(BPF_PROG_TYPE_XDP, "isochrone_dns", "Apache-2.0", code.data(),
                                   code.size(), nullptr));
  if (!hook.program_) return fail_hook("load the XDP program", interface, errno);
  bpf_link_create_opts how{};
  how.sz = sizeof how;
  how.flags = in_driver ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
  hook.link_ = Fd(bpf_link_create(hook.program_.get(), interface.index, BPF_XDP, &how));
  if (!hook.link_) return fail_hook("attach the XDP program", interface, errno);
  return hook;
}

Result<void> XdpHook::serve(unsigned queue, int socket) {
  if (bpf_map_update_elem(sockets_.get(), &queue, &socket, BPF_ANY) == 0) return {};
  return fail_errno(fmt::format("cannot give queue {} to its AF_XDP socket", queue), errno);
}

}  // namespace isochrone::dns
