// SPDX-License-Identifier: Apache-2.0
#include "collector/event_rate.h"

#include <algorithm>

namespace isochrone::collector {
namespace {

constexpr Seconds kReady{1};  // what a quiet source may post at once, in time at its rate

}  // namespace

void EventRate::set_rate(std::uint64_t rate) { rate_.store(rate); }

Nanos EventRate::wait(std::string_view source, Monotonic now) {
  if (rate_.load() == 0) return Nanos(0);
  return paid_at_.with([&](Accounts& accounts) {
    const auto found = accounts.find(source);
    if (found != accounts.end()) return std::max(Nanos(0), found->second - now);
    if (accounts.size() < kMaxAccounts) return Nanos(0);
    std::erase_if(accounts, [&](const auto& each) { return each.second + kReady <= now; });
    return accounts.size() < kMaxAccounts ? Nanos(0) : Nanos(kReady);
  });
}

void EventRate::charge(std::string_view source, std::size_t events, Monotonic now) {
  const std::uint64_t rate = rate_.load();
  if (rate == 0) return;
  const Nanos cost(static_cast<std::int64_t>(events) * 1'000'000'000 /
                   static_cast<std::int64_t>(rate));
  paid_at_.with([&](Accounts& accounts) {
    auto [account, is_new] = accounts.try_emplace(std::string(source), now - kReady);
    account->second = std::max(account->second, now - kReady) + cost;
  });
}

}  // namespace isochrone::collector
