// SPDX-License-Identifier: Apache-2.0
//
// TransferOptions: what the configuration says about transfers of one zone, and the keys it names.
//
// Default: nobody may have a zone, nobody is told, and it comes from a file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/ip.h"
#include "dns/hmac.h"

namespace isochrone::dns {

// As configured; `key` is the name of one of the keys, or empty.
struct TransferRule {
  Prefix prefix;
  std::string key;
};
struct TransferPeer {
  Endpoint endpoint;
  std::string key;
};
struct TransferOptions {
  std::vector<TransferRule> allow;
  std::vector<TransferPeer> notify;
  std::vector<TransferPeer> primaries;  // not empty: this node is a secondary of the zone
};

// The secret is read from its file at start and reload.
struct TsigKeySource {
  std::string name;  // lower case, no trailing dot
  HmacAlgorithm algorithm = HmacAlgorithm::sha256;
  std::filesystem::path secret_file;  // base64
};

}  // namespace isochrone::dns
