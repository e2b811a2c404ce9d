// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/day.h"

#include <cmath>
#include <utility>

#include "dns/decision_reason.h"
#include "dns/snapshot_file.h"
#include "event/codec.h"
#include "routing/pick.h"

namespace isochrone::sim {
namespace {

using event::Channel;
using event::HealthOrigin;
using event::HealthStatus;

constexpr std::size_t kSites = 5;
constexpr std::size_t kNodes = 3;

std::shared_ptr<const routing::Topology> topology_of_day() {
  routing::Topology topology;
  std::vector<routing::SiteId> sites;
  for (std::size_t i = 0; i < kSites; ++i) {
    const auto octet = static_cast<std::uint8_t>(i + 1);
    topology.sites.push_back({"s" + std::to_string(i), {}, {Address::v4(192, 0, 2, octet)}});
    sites.emplace_back(static_cast<std::uint16_t>(i));
  }
  routing::Service plain;
  plain.name = "www.example.com";
  plain.sites = sites;
  routing::Service shared = plain;
  shared.name = "shared.example.com";
  shared.weights = {1, 2, 1, 1, 3};
  shared.count = 2;
  routing::Service calm = plain;
  calm.name = "calm.example.com";
  calm.sites = {sites[3], sites[1], sites[0]};
  calm.merge_within = Micros(5'000);
  calm.on_all_down = routing::OnAllDown::last_good;
  calm.hold_out = 0.2;
  topology.services = {plain, shared, calm};
  return std::make_shared<const routing::Topology>(std::move(topology));
}

collector::Options options_of_day(const Day::Shape& shape) {
  collector::Options options;
  options.node_name = "day";
  options.site_timeout = Millis(shape.round * 3);
  return options;
}

event::Follower::Batch batch_of(const collector::EventLog& log, Channel channel,
                                event::Position after, std::size_t limit) {
  const collector::Page page = log.read(channel, after, limit);
  event::Follower::Batch batch{log.id(), {}, page.scanned, page.is_at_end};
  for (const collector::StoredBytes& stored : page.events) {
    auto event = event::from_protobuf(
        {reinterpret_cast<const std::uint8_t*>(stored.event.data()), stored.event.size()});
    if (event) batch.events.push_back({stored.position, std::move(*event)});
  }
  return batch;
}

}  // namespace

Node::Node(std::string name, std::shared_ptr<const routing::Topology> topology)
    : name_(std::move(name)) {
  inputs_.topology = std::move(topology);
  save();
  restart(Instant{});
}

void Node::save() { file_ = dns::encode_snapshot(state_, *inputs_.topology); }

void Node::restart(Instant now) {
  state_ = *dns::decode_snapshot(file_, *inputs_.topology);
  compiler_.forget();
  answered_with_.forget();
  asked_.clear();
  ++epoch_;
  sequence_ = 0;
  current_ = nullptr;
  publish(dns::build_snapshot(inputs_, state_, 1), {}, now);
}

void Node::publish(std::shared_ptr<dns::Snapshot> next, const std::map<Prefix, bool>& changed,
                   Instant now) {
  answered_with_.published(*next, changed, Monotonic(now.time_since_epoch()));
  current_ = std::move(next);
}

void Node::follow(const collector::EventLog& log, std::size_t limit, Instant now) {
  const auto states = batch_of(log, Channel::state, state_.state_position.position, limit);
  const auto words = batch_of(log, Channel::health, state_.health_position.position, limit);
  const bool has_state = state_.apply_state(states, *inputs_.topology);
  if (state_.apply_health(words, *inputs_.topology)) {
    publish(dns::SnapshotCompiler::with_same_table(inputs_, state_, *current_), {}, now);
  }
  if (!has_state) return;
  const auto changed = state_.changed;
  publish(compiler_.compile(inputs_, state_, *current_), changed, now);
}

void Node::ask(routing::ServiceId service, const Address& client, const Prefix& network,
               bool is_resolver) {
  const routing::Service& asked = inputs_.topology->services[service.index()];
  const auto nameable = routing::nameable_sites(current_->sites, service, routing::sites_of(asked),
                                                asked.on_all_down);
  routing::NamedSites named;
  const auto choice = routing::choose(*current_->table, service, client, nameable.sites, named);
  asked_.push_back({service, client, network, choice, current_->generation, is_resolver});
}

std::vector<event::Event> Node::report(Instant now) {
  std::vector<event::Event> events;
  for (const dns::DecisionCount& decision : std::exchange(asked_, {})) {
    const auto by = answered_with_.find(decision.generation, decision.client, state_.changed);
    if (!by) continue;
    auto sample = dns::decision_sample(*current_, state_, nullptr, decision, *by);
    if (!sample) continue;
    events.push_back({{name_, epoch_, ++sequence_}, now, {}, std::move(*sample)});
  }
  return events;
}

Day::Day(const Shape& shape, std::unique_ptr<collector::EventLog> log)
    : shape_(shape),
      options_(options_of_day(shape)),
      topology_(topology_of_day()),
      log_(std::move(log)),
      random_(shape.seed),
      start_(*parse_instant("2024-05-01T00:00:00Z")),
      now_(start_),
      silent_(kSites, false),
      cut_off_(kNodes) {
  core_ = std::make_unique<collector::Core>(options_, *topology_, epoch_);
  for (std::size_t i = 0; i < shape.networks * kSites; ++i) {
    base_.emplace_back(5'000 + static_cast<std::int64_t>(random_.below(95'000)));
  }
  for (std::size_t i = 0; i < kNodes; ++i) {
    nodes_.emplace_back("dns-ns" + std::to_string(i), topology_);
  }
}

// Most are of the length of client networks; some are longer, as resolvers' rows are, and lie inside others.
Prefix Day::network(std::size_t index) const {
  const auto octet = static_cast<std::uint8_t>(index / 4);
  if (index % 4 == 3) return {Address::v4(10, 0, octet, 9), 32};
  if (index % 4 == 2) return {Address::v4(10, 1, 0, 0), 16 + static_cast<int>(index % 8 / 4)};
  return {Address::v4(10, static_cast<std::uint8_t>(index % 4), octet, 0), 24};
}

event::Event Day::make(const std::string& source, event::Payload payload) {
  return {{source, epoch_, ++sequence_}, now_, {}, std::move(payload)};
}

void Day::run(Nanos until) {
  while (now_ - start_ < until) step();
}

void Day::step() {
  now_ += Seconds(1);
  const auto second = std::chrono::duration_cast<Seconds>(now_ - start_);
  if (second % shape_.round == Seconds(0)) {
    happen();
    measure();
    beat();
  }
  core_->advance(now_);
  flush();
  for (std::size_t i = 0; i < kNodes; ++i) {
    const bool asks = (second + Seconds(17 * i)) % shape_.sample == Seconds(0);
    if (asks) ask(nodes_[i]);
    // What is asked before the news is reported after it, as by a worker that does so once a second.
    const std::size_t at_once = 1 + random_.below(40);
    if (i != cut_off_) nodes_[i].follow(*log_, at_once, now_);
    if (asks) post(nodes_[i].report(now_));
  }
}

// About once an hour each.
void Day::happen() {
  const auto chance = [&](std::uint64_t rounds) { return random_.below(rounds) == 0; };
  const std::size_t site = random_.below(kSites);
  if (chance(5)) {
    const std::size_t path = random_.below(base_.size());
    base_[path] = Micros(5'000 + static_cast<std::int64_t>(random_.below(95'000)));
  }
  if (chance(60)) silent_[site] = !silent_[site];
  if (chance(400)) silent_.assign(kSites, true);
  if (chance(100)) silent_.assign(kSites, false);
  if (chance(60)) {
    const auto status = static_cast<HealthStatus>(random_.below(3));
    post({make("operator",
               event::Health{"s" + std::to_string(site), status, HealthOrigin::operators, {}})});
  }
  if (chance(60)) cut_off_ = random_.below(2 * kNodes);
  if (chance(60)) nodes_[random_.below(kNodes)].save();
  if (chance(60)) nodes_[random_.below(kNodes)].restart(now_);
  if (chance(90)) restart_collector();
}

// Each network in about every other round; one in eight is left alone in every other hour, and forgotten.
void Day::measure() {
  std::vector<event::Event> batch;
  const auto hours = (now_ - start_) / Seconds(3'600);
  for (std::size_t i = 0; i < shape_.networks; ++i) {
    if (random_.below(2) == 0 || (i % 8 == 5 && hours % 4 >= 2)) continue;
    for (std::size_t site = 0; site < kSites; ++site) {
      if (silent_[site]) continue;
      const double noise = -std::log(1.0 - random_.unit()) * 800;
      event::Measurement seen{"s" + std::to_string(site), network(i), routing::Method::icmp, {}};
      if (random_.below(30) != 0) seen.rtt = base_[i * kSites + site] + Micros(std::llround(noise));
      batch.push_back(make("prober-s" + std::to_string(site), seen));
    }
  }
  post(batch);
}

void Day::beat() {
  std::vector<event::Event> batch;
  for (std::size_t site = 0; site < kSites; ++site) {
    if (silent_[site]) continue;
    const std::string name = "s" + std::to_string(site);
    batch.push_back(
        make("prober-" + name, event::Health{name, HealthStatus::up, HealthOrigin::prober, {}}));
  }
  post(batch);
}

// By Client Subnet, or for a resolver; whoever of the network.
void Day::ask(Node& node) {
  for (std::uint16_t service = 0; service < topology_->services.size(); ++service) {
    const Prefix known = network(random_.below(shape_.networks + 4));
    const Address client = random_.below(3) == 0
                               ? Address::v4(10, static_cast<std::uint8_t>(random_.below(4)),
                                             static_cast<std::uint8_t>(random_.below(12)),
                                             static_cast<std::uint8_t>(random_.below(256)))
                               : known.address();
    const bool is_resolver = random_.below(2) == 0;
    const Prefix network = client_network(client);
    node.ask(routing::ServiceId(service), is_resolver ? client : network.address(), network,
             is_resolver);
    ++asked_;
  }
}

void Day::post(const std::vector<event::Event>& events) {
  if (events.empty()) return;
  auto admitted = core_->admit(events, now_);
  const auto positions = log_->append(admitted.fresh, core_->notes(), now_);
  core_->apply(admitted.fresh, *positions, now_);
  flush();
}

void Day::flush() {
  if (core_->outbox().empty()) return;
  static_cast<void>(*log_->append(core_->outbox().events, core_->outbox().notes, now_));
  core_->outbox_is_durable();
}

void Day::restart_collector() {
  core_ = std::make_unique<collector::Core>(options_, *topology_,
                                            static_cast<std::uint64_t>(unix_nanos(now_) / 1'000));
  core_->restore(*log_, now_);
}

}  // namespace isochrone::sim
