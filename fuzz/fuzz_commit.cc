// SPDX-License-Identifier: Apache-2.0
//
// Any octets are refused as a message of the shared log, or are a part of a commit; what is a whole one
// survives a second passage. Each input is also the piece inside a frame that is right.
#include <cstdlib>
#include <string>

#include "collector/commit.h"

namespace {

using namespace isochrone::collector;

bool is_same(const Commit& a, const Commit& b) {
  if (a.id != b.id || a.arrival != b.arrival || a.next != b.next || a.trim != b.trim) return false;
  if (a.events != b.events || a.notes.size() != b.notes.size()) return false;
  return a.states.size() == b.states.size();
}

void take(std::string_view message) {
  Assembly assembly;
  const auto commit = assembly.add(message);
  if (!commit || !*commit) return;
  for (const std::size_t max : {std::size_t{100}, std::size_t{1} << 20}) {
    Assembly again;
    for (const std::string& part : to_parts(**commit, max)) {
      const auto whole = again.add(part);
      if (!whole) std::abort();
      if (*whole && !is_same(**whole, **commit)) std::abort();
    }
    if (again.waiting() != 0) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  take(input);
  take(frame_part(1, 0, 1, {}, input));
  return 0;
}
