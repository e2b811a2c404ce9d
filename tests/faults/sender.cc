// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/sender.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "event/codec.h"

namespace isochrone::test {
namespace {

constexpr std::size_t kLargestBatch = 40;
constexpr std::uint64_t kNetworks = 6;
// Events are at most so old, so that they lie in many windows.
constexpr std::uint64_t kSpreadMicros = 20'000'000;
constexpr std::size_t kRemembered = 8;

}  // namespace

Sender::Sender(std::string site, std::uint64_t seed, History& history, std::function<Instant()> now)
    : site_(std::move(site)),
      random_(seed),
      history_(history),
      now_(std::move(now)),
      epoch_(1'000 + seed) {}

event::Event Sender::make_event() {
  const auto network = random_.below(kNetworks);
  // In blocks of their own, so that collectors that share a log share them.
  const Prefix prefix(Address::v4(198, static_cast<std::uint8_t>(51 + network), 100, 0), 24);
  // The nearest site is nearer by far more than noise, so that it is clear which one it is.
  const std::string nearest = std::array<std::string, 3>{"fra", "iad", "sin"}[network % 3];
  const Micros rtt((site_ == nearest ? 10'000 : 80'000) + random_.below(5'000));
  const Instant at = now_() - Micros(random_.below(kSpreadMicros));
  const Instant time(std::chrono::floor<Micros>(at.time_since_epoch()));
  event::Measurement measurement{site_, prefix, routing::Method::icmp, rtt};
  if (random_.below(20) == 0) measurement.rtt.reset();
  return {{"prober-" + site_, epoch_, ++sequence_}, time, site_ + "-1", std::move(measurement)};
}

std::vector<event::Event> Sender::make_batch() {
  std::vector<event::Event> batch;
  const std::size_t size = 1 + random_.below(kLargestBatch);
  for (std::size_t i = 0; i < size; ++i) batch.push_back(make_event());
  for (std::size_t i = size; i > 1; --i) std::swap(batch[i - 1], batch[random_.below(i)]);
  history_.posted(batch);
  return batch;
}

std::vector<std::vector<event::Event>> Sender::batches(unsigned count) {
  std::vector<std::vector<event::Event>> made;
  for (unsigned i = 0; i < count; ++i) made.push_back(make_batch());
  return made;
}

bool Sender::post(const std::string& url) {
  HttpClient client(url);
  if (waiting_.empty()) waiting_ = make_batch();
  if (!send(client, waiting_, false)) {
    if (gives_up_ && (status_ == 422 || status_ == 200)) waiting_.clear();
    return false;
  }
  history_.acknowledged(waiting_);
  acknowledged_.push_back(std::exchange(waiting_, {}));
  if (acknowledged_.size() > kRemembered) acknowledged_.pop_front();
  if (random_.below(8) > 0) return true;
  return send(client, acknowledged_[random_.below(acknowledged_.size())], true);
}

bool Sender::send(HttpClient& client, const std::vector<event::Event>& batch, bool is_known) {
  std::string body;
  for (const event::Event& event : batch) body += event::to_json(event) + "\n";
  const auto reply =
      client.post("/v1/channels/measurement/events", "application/x-ndjson", body, patience_);
  status_ = reply ? reply->status : 0;
  answer_ = reply ? reply->body : reply.error().text();
  if (status_ != 200) return false;
  const auto receipt = nlohmann::json::parse(answer_, nullptr, false);
  const std::size_t accepted = receipt.value("accepted", std::size_t{0});
  const std::size_t duplicates = receipt.value("duplicates", std::size_t{0});
  if (gives_up_) return accepted + duplicates == batch.size();
  EXPECT_EQ(accepted + duplicates, batch.size()) << answer_;
  EXPECT_TRUE(!is_known || duplicates == batch.size()) << answer_;
  return true;
}

}  // namespace isochrone::test
