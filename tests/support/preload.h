// SPDX-License-Identifier: Apache-2.0
//
// preload(): a library that a child is to load before others, beside those that are named already.
#pragma once

#include <stdlib.h>

#include <string>

namespace isochrone::test {

inline void preload(const std::string& library) {
  const char* others = ::getenv("LD_PRELOAD");
  const std::string all = others == nullptr ? library : library + ":" + others;
  ::setenv("LD_PRELOAD", all.c_str(), 1);
}

}  // namespace isochrone::test
