// SPDX-License-Identifier: Apache-2.0
#include "lab/wan.h"

#include <algorithm>
#include <cmath>

namespace isochrone::lab {

Wan::Wan(const Plan& plan, const RttMatrix& matrix, const Options& options)
    : plan_(plan),
      matrix_(matrix),
      jitter_(options.jitter),
      losses_(plan.sites() * plan.networks.size(), options.loss),
      cut_(plan.sites(), false),
      random_(options.seed) {
  for (std::size_t site = 0; site < plan.sites(); ++site) {
    for (std::size_t network = 0; network < plan.networks.size(); ++network) {
      rtts_.push_back(original_rtt(site, network));
    }
  }
}

std::optional<Micros> Wan::rtt(std::size_t site, std::size_t network) const {
  return rtts_[path(site, network)];
}

std::optional<Micros> Wan::original_rtt(std::size_t site, std::size_t network) const {
  return matrix_.rtt(plan_.site_rows[site], plan_.network_rows[network]);
}

void Wan::set_rtt(std::size_t site, std::size_t network, Micros rtt) {
  rtts_[path(site, network)] = rtt;
}

void Wan::reset_rtt(std::size_t site, std::size_t network) {
  rtts_[path(site, network)] = original_rtt(site, network);
}

double Wan::loss(std::size_t site, std::size_t network) const {
  return losses_[path(site, network)];
}

void Wan::set_loss(std::size_t site, std::size_t network, double loss) {
  losses_[path(site, network)] = loss;
}

void Wan::set_loss(double loss) { std::fill(losses_.begin(), losses_.end(), loss); }

std::optional<Nanos> Wan::answer_delay(std::size_t from, std::size_t network) {
  if (from >= plan_.sites()) return kNearRtt;
  if (cut_[from]) return std::nullopt;
  const auto rtt = this->rtt(from, network);
  if (!rtt || random_.unit() < losses_[path(from, network)]) return std::nullopt;
  // The inverse of the exponential distribution; 1 - unit() is never zero.
  const double jitter_nanos =
      -std::log(1 - random_.unit()) * 1e3 * static_cast<double>(jitter_.count());
  return Nanos(*rtt) + Nanos(std::llround(jitter_nanos));
}

std::optional<Micros> Wan::node_rtt(std::size_t from, std::size_t to) const {
  const auto is_site = [&](std::size_t node) { return node < plan_.sites(); };
  const auto is_client = [&](std::size_t node) {
    return plan_.nodes[node].kind == NodeKind::client;
  };
  if (is_site(from) && is_site(to)) return matrix_.rtt(plan_.site_rows[from], plan_.site_rows[to]);
  if (is_site(from) && is_client(to)) return rtt(from, kClientNetwork);
  if (is_client(from) && is_site(to)) return rtt(to, kClientNetwork);
  return kNearRtt;
}

std::optional<Nanos> Wan::forward_delay(std::size_t from, std::size_t to) const {
  const auto is_dead = [&](std::size_t node) { return node < plan_.sites() && cut_[node]; };
  if (is_dead(from) || is_dead(to)) return std::nullopt;
  const auto rtt = node_rtt(from, to);
  if (!rtt) return std::nullopt;
  return Nanos(*rtt) / 2;
}

}  // namespace isochrone::lab
