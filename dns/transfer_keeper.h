// SPDX-License-Identifier: Apache-2.0
//
// TransferKeeper: every change of zones goes through here, from files or from primaries: it keeps what
// changed for incremental transfers, publishes, and tells the secondaries.
//
// Threads:  one of its own, so that a transfer that comes in never delays an answer or news of state;
//           every member may be called from any other.
// Failures: a configuration or transfer that is wrong changes nothing.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/follower.h"
#include "dns/options.h"
#include "dns/task_thread.h"
#include "dns/transfer_policy.h"

namespace isochrone::dns {

// Keys with their secrets, and the rules of each zone; what is wrong is added to `errors`.
std::shared_ptr<const TransferPolicy> load_policy(const Options& options,
                                                  std::vector<Error>& errors);

class TransferKeeper {
 public:
  // Both are called in the keeper's thread, with the options in force.
  struct Hooks {
    // Signs the zones of `inputs`, which have changed; returns what could not be.
    std::function<std::vector<Error>(const Options&, BuildInputs& inputs)> sign;
    // From now on answers come from `inputs`.
    std::function<void(const Options&, const BuildInputs& inputs)> publish;
    // The same, when only signatures are new, or only these and journals.
    std::function<void(const BuildInputs& inputs, bool are_journals_new)> publish_signatures;
  };
  // `inputs` are published already. Primaries are asked only while it is `following`: not while another
  // process does.
  TransferKeeper(const Options& options, BuildInputs inputs, Hooks hooks, bool following);
  ~TransferKeeper();

  // Loads in the keeper's thread, so that no transfer comes in between, and publishes.
  using Loaded = tl::expected<BuildInputs, std::vector<Error>>;
  tl::expected<void, std::vector<Error>> reload(const Options& options,
                                                const std::function<Loaded()>& load);
  // The zone from its file again, or asks its primary; errors change nothing.
  std::vector<Error> reload_zone(std::string_view zone);
  void set_following(bool following);
  // Signatures were made anew, for zones that may have been replaced since. Returns at once.
  void signed_again(std::shared_ptr<const SignedZones> signatures);
  // A primary of the zone says that it changed.
  void notified(Bytes apex);

 private:
  class Keeper;
  TaskThread thread_;
  std::unique_ptr<Keeper> keeper_;  // lives in the thread
};

}  // namespace isochrone::dns
