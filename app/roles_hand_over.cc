// SPDX-License-Identifier: Apache-2.0
//
// How the parts of a node pass from one process to another, with what they have counted.
#include "app/roles_impl.h"

namespace isochrone::app {
namespace {

// The counters of `all` without those of `part`, which go on counting themselves.
Metrics::Counters without(Metrics::Counters all, const Metrics::Counters& part) {
  for (const auto& [key, value] : part) {
    const auto found = all.find(key);
    if (found != all.end()) found->second -= value;
  }
  return all;
}

}  // namespace

Checked<void> Roles::serve_dns(Estate& estate) {
  dns::Server* dns = impl_->dns();
  if (dns == nullptr) return {};
  return dns->serve(std::move(estate.dns));
}

Checked<void> Roles::take_over(Estate& estate) {
  const auto inherit = [](std::optional<Door>& door, Fd& listener) {
    if (door && !door->listener) door->listener = std::move(listener);
  };
  inherit(impl_->collector_door, estate.collector);
  inherit(impl_->http_door, estate.http);
  if (auto started = impl_->start_all_but_dns(); !started) return started;
  dns::Server* dns = impl_->dns();
  return dns == nullptr ? Checked<void>() : dns->take_charge();
}

void Roles::set_earlier(Metrics::Counters counters) {
  impl_->earlier.with([&](auto& current) { current = std::move(counters); });
}

Offer Roles::offer() const {
  Offer offer;
  if (impl_->collector_door) offer.collector = impl_->collector_door->place;
  if (impl_->http_door) offer.http = impl_->http_door->place;
  return offer;
}

void Roles::save() {
  if (dns::Server* dns = impl_->dns()) dns->save();
}

Estate Roles::estate() const {
  Estate estate;
  if (const dns::Server* dns = impl_->dns()) estate.dns = dns->inheritance();
  if (impl_->collector_door) estate.collector = another(impl_->collector_door->listener);
  if (impl_->http_door) estate.http = another(impl_->http_door->listener);
  return estate;
}

void Roles::stand_by() {
  impl_->is_standing_by = true;
  if (dns::Server* dns = impl_->dns()) dns->stand_by();
  release();
}

void Roles::release() {
  impl_->http.reset();
  // Taken out under the lock, ended outside it: ending may wait for the collector's threads.
  auto prober = impl_->parts.with([](Measured& measured) { return std::move(measured.prober); });
  if (prober) prober->stop();
  if (impl_->collector) impl_->collector->stop_serving();
  impl_->parts.with([&](Measured& measured) { measured.prober = std::move(prober); });
  take_counters_back(counters());
  impl_->parts.with([](Measured& measured) { measured.prober.reset(); });
  impl_->collector.reset();
}

void Roles::take_counters_back(const Metrics::Counters& counters) {
  set_earlier(without(counters, impl_->of_dns));
}

// What dns counts is read once, for it goes on counting: open connections are still served.
Metrics::Counters Roles::counters() const {
  Metrics of_dns;
  if (const dns::Server* dns = impl_->dns()) dns->measure(of_dns);
  impl_->of_dns = of_dns.counters();
  Metrics metrics;
  impl_->measure(metrics);
  if (impl_->collector) impl_->collector->measure(metrics);
  Metrics::Counters all = metrics.counters();
  const auto gone = impl_->earlier.with([](const auto& counters) { return counters; });
  all.insert(gone.begin(), gone.end());
  for (const auto& [key, value] : impl_->of_dns) {
    const auto before = gone.find(key);
    all[key] = value + (before == gone.end() ? 0 : before->second);
  }
  return all;
}

Checked<void> Roles::resume() {
  dns::Server* dns = impl_->dns();
  if (dns != nullptr && std::exchange(impl_->is_standing_by, false)) dns->resume();
  return impl_->start_all_but_dns();
}

void Roles::drain(std::function<void()> drained) {
  impl_->collector_door.reset();
  impl_->http_door.reset();
  dns::Server* dns = impl_->dns();
  dns == nullptr ? drained() : dns->drain(std::move(drained));
}

}  // namespace isochrone::app
