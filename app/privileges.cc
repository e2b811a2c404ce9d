// SPDX-License-Identifier: Apache-2.0
#include "app/privileges.h"

#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

namespace isochrone::app {
namespace {

struct Free {
  void operator()(cap_t capabilities) const { cap_free(capabilities); }
};
using Capabilities = std::unique_ptr<std::remove_pointer_t<cap_t>, Free>;

// Of those it has, the ones that the roles need; the ambient ones follow.
Result<void> keep_only(const std::vector<cap_value_t>& needed) {
  const Capabilities had(cap_get_proc());
  const Capabilities kept(cap_init());
  if (!had || !kept) return fail_errno("cannot read the process' capabilities", errno);
  for (const cap_value_t one : needed) {
    cap_flag_value_t is_permitted = CAP_CLEAR;
    cap_get_flag(had.get(), one, CAP_PERMITTED, &is_permitted);
    if (is_permitted == CAP_CLEAR) continue;
    for (const cap_flag_t set : {CAP_PERMITTED, CAP_EFFECTIVE}) {
      cap_set_flag(kept.get(), set, 1, &one, CAP_SET);
    }
  }
  if (cap_set_proc(kept.get()) != 0) return fail_errno("cannot give up capabilities", errno);
  return {};
}

}  // namespace

Result<void> limit_privileges(const Config& config) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return fail_errno("cannot forbid new privileges", errno);
  }
  if (geteuid() == 0) return {};
  std::vector<cap_value_t> needed{CAP_NET_BIND_SERVICE};
  if (config.node.has_prober) needed.push_back(CAP_NET_RAW);
  if (config.node.has_dns && !config.dns.xdp.interfaces.empty()) {
    needed.insert(needed.end(), {CAP_NET_RAW, CAP_NET_ADMIN, CAP_BPF});
  }
  return keep_only(needed);
}

}  // namespace isochrone::app
