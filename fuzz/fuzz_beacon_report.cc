// SPDX-License-Identifier: Apache-2.0
//
// Any body is refused or read as a report that the desk judges: nothing of it is believed, as no token in
// it is ours.
#include <cstdlib>

#include "collector/beacon_desk.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace isochrone;
  using namespace isochrone::collector;
  static const std::string secret(64, 's');
  static BeaconDesk desk(
      [] {
        BeaconOptions options;
        options.secrets = {secret};
        options.sites = {{"fra", "https://fra.example.com/o", ""}};
        return options;
      }(),
      {}, nullptr, "beacon-c1", 1);
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const auto report = parse_beacon_report(body);
  if (report && (report->results.empty() || report->results.size() > kMaxTokenSites)) std::abort();
  const Prefix client(Address::v4(192, 0, 2, 0), 24);
  if (desk.judge(body, client, Instant{})) std::abort();
  // As a token itself: what is read back is written the same.
  if (const auto task = unseal(body, {secret}, Instant{}); task && seal(*task, secret) != body) {
    std::abort();
  }
  static_cast<void>(event::parse_beacon_label(event::beacon_label_key(secret), {data, size}));
  static_cast<void>(event::parse_beacon_task(body));
  return 0;
}
