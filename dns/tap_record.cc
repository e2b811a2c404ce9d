// SPDX-License-Identifier: Apache-2.0
#include "dns/tap_record.h"

#include <cstring>
#include <type_traits>

namespace isochrone::dns {

static_assert(std::is_trivially_copyable_v<TapRecord>);

bool put_record(TapRing& ring, TapRecord head, Bytes query, Bytes answer,
                std::string_view site) noexcept {
  const MutableBytes room = ring.room(sizeof head + query.size() + answer.size() + site.size());
  if (room.empty()) return false;
  head.query_octets = static_cast<std::uint32_t>(query.size());
  head.answer_octets = static_cast<std::uint32_t>(answer.size());
  head.site_octets = static_cast<std::uint32_t>(site.size());
  std::uint8_t* to = room.data();
  const auto put = [&to](const void* from, std::size_t octets) {
    if (octets == 0) return;
    std::memcpy(to, from, octets);
    to += octets;
  };
  put(&head, sizeof head);
  put(query.data(), query.size());
  put(answer.data(), answer.size());
  put(site.data(), site.size());
  ring.commit();
  return true;
}

TapView read_record(Bytes record) noexcept {
  TapView view;
  std::memcpy(&view.head, record.data(), sizeof view.head);
  Bytes rest = record.subspan(sizeof view.head);
  const auto take = [&rest](std::size_t octets) {
    const Bytes taken = rest.first(octets);
    rest = rest.subspan(octets);
    return taken;
  };
  view.query = take(view.head.query_octets);
  view.answer = take(view.head.answer_octets);
  const Bytes site = take(view.head.site_octets);
  view.site = {reinterpret_cast<const char*>(site.data()), site.size()};
  return view;
}

}  // namespace isochrone::dns
