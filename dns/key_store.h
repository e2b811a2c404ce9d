// SPDX-License-Identifier: Apache-2.0
//
// KeyStore: the folder of key files, K<zone>.+<algorithm>+<tag>.key and .private as BIND names them.
//
// Secrets:  a .private file that others may read or write, or that another user owns, is refused; new
//           ones have mode 0600. Root makes folder and files the property of whom they lie with, so
//           that the service can read what an operator generates.
// Failures: every file is written beside itself, synced and renamed: a full disk leaves the old one.
#pragma once

#include <filesystem>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/sign_key.h"

namespace isochrone::dns {

constexpr std::size_t kMaxKeyFileBytes = 64 * 1'024;  // a key takes less than one

class KeyStore {
 public:
  explicit KeyStore(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // The keys of the zone (folded wire name), by file name. None is not an error.
  Result<std::vector<SigningKey>> load(Bytes zone) const;
  // Writes both files; makes the folder when absent (mode 0700).
  Result<void> save(const SigningKey& key) const;

  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

}  // namespace isochrone::dns
