// SPDX-License-Identifier: Apache-2.0
#include "dns/transfer_out.h"

#include <algorithm>
#include <utility>

#include "dns/transfer_policy.h"
#include "dns/wire.h"

namespace isochrone::dns {
namespace {

void put_number(std::vector<std::uint8_t>& out, std::uint64_t value, int octets) {
  for (int i = octets; i-- > 0;) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

// The owner's labels, then a pointer to the apex, which is the question's name.
void put_record(std::vector<std::uint8_t>& out, const ZoneRecord& record, std::size_t apex_octets) {
  const Bytes labels = record.owner.first(record.owner.size() - apex_octets);
  out.insert(out.end(), labels.begin(), labels.end());
  put_number(out, kPointerTag | kQuestionName, 2);
  put_number(out, record.type, 2);
  put_number(out, kClassIn, 2);
  put_number(out, record.ttl, 4);
  put_number(out, record.data.size(), 2);
  out.insert(out.end(), record.data.begin(), record.data.end());
}

}  // namespace

TransferOut::TransferOut(std::shared_ptr<const Snapshot> snapshot, const Zone& zone,
                         Request request)
    : snapshot_(std::move(snapshot)),
      zone_{*snapshot_->zones, *snapshot_->topology, zone,
            snapshot_->signatures ? snapshot_->signatures->of(&zone) : nullptr},
      request_(std::move(request)),
      walk_(zone_) {
  plan();
}

void TransferOut::plan() {
  is_soa_alone_ = request_.is_udp;
  if (!request_.have || is_soa_alone_) return;
  // A client that claims to be ahead has nothing to get here either (RFC 1995 section 2).
  is_soa_alone_ = !is_newer_serial(zone_.serial(), *request_.have);
  const ZoneTransfer* transfer =
      snapshot_->transfers ? snapshot_->transfers->zone(zone_.zone.origin()) : nullptr;
  if (is_soa_alone_ || transfer == nullptr || !transfer->journal) return;
  auto steps = transfer->journal->since(*request_.have);
  if (steps.empty() || steps.back()->to != zone_.serial()) return;
  std::size_t octets = 0;
  for (const auto& step : steps) octets += step->octets();
  const std::size_t whole = zone_.zone.memory_bytes() +
                            (zone_.signatures == nullptr ? 0 : zone_.signatures->memory_bytes());
  if (octets < whole) steps_ = std::move(steps);
}

bool TransferOut::next_change(ZoneRecord& record) {
  while (step_ < steps_.size()) {
    const Difference& step = *steps_[step_];
    const bool is_removing = phase_ == Phase::removed;
    if ((is_removing ? step.removed : step.added).next(at_, record)) return true;
    at_ = 0;
    phase_ = is_removing ? Phase::added : Phase::removed;
    if (!is_removing) ++step_;
  }
  return false;
}

bool TransferOut::next_record(ZoneRecord& record) {
  switch (phase_) {
    case Phase::first_soa:
      record = walk_.soa();
      phase_ = is_soa_alone_ ? Phase::done : steps_.empty() ? Phase::zone : Phase::removed;
      return true;
    case Phase::zone:
      if (walk_.next(record)) return true;
      break;
    case Phase::removed:
    case Phase::added:
      if (next_change(record)) return true;
      break;
    case Phase::done:
      return false;
  }
  record = walk_.soa();
  phase_ = Phase::done;
  return true;
}

std::vector<std::uint8_t> TransferOut::next(std::uint64_t now) {
  std::vector<std::uint8_t> message;
  if (phase_ == Phase::done && !waiting_) return message;
  put_number(message, request_.id, 2);
  put_number(message, request_.recursion_desired ? 0x8500 : 0x8400, 2);  // QR, AA
  put_number(message, 1, 2);
  for (int i = 0; i < 3; ++i) put_number(message, 0, 2);
  message.insert(message.end(), request_.question.begin(), request_.question.end());
  unsigned records = 0;
  ZoneRecord record;
  while (waiting_ || next_record(record)) {
    if (waiting_) record = *std::exchange(waiting_, std::nullopt);
    const std::size_t octets = record.owner.size() + kRecordHead + record.data.size();
    if (records > 0 && message.size() + octets > kMessageOctets) {
      waiting_ = record;  // what it points to stays until the walk goes on
      break;
    }
    put_record(message, record, zone_.zone.origin().size());
    ++records;
  }
  message[6] = static_cast<std::uint8_t>(records >> 8);
  message[7] = static_cast<std::uint8_t>(records);
  message[11] = request_.opt.empty() ? 0 : 1;
  message.insert(message.end(), request_.opt.begin(), request_.opt.end());
  request_.opt.clear();
  if (request_.chain) request_.chain->sign(message, now);
  return message;
}

}  // namespace isochrone::dns
