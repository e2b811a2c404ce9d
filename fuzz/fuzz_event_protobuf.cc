// SPDX-License-Identifier: Apache-2.0
//
// Any bytes are refused or read as an event, a stored event and a batch; what is read survives a
// second passage unchanged.
#include <cstdlib>

#include "event/check.h"
#include "event/codec.h"

namespace {

using namespace isochrone;
using namespace isochrone::event;

Bytes bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void one_event(Bytes bytes) {
  const auto first = from_protobuf(bytes);
  if (!first) return;
  if (!check(*first)) std::abort();
  const std::string written = to_protobuf(*first);
  if (written.size() > kMaxEventBytes) return;
  const auto second = from_protobuf(bytes_of(written));
  if (!second || *second != *first) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  one_event(Bytes(data, size));
  static_cast<void>(stored_from_protobuf(Bytes(data, size)));
  Bytes rest(data, size);
  while (!rest.empty()) {
    const auto next = next_delimited(rest);
    if (!next) break;
    one_event(*next);
    static_cast<void>(stored_from_protobuf(*next));
  }
  return 0;
}
