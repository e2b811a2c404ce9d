// SPDX-License-Identifier: Apache-2.0
#include "lab/emulator.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cassert>

#include "lab/packet.h"
#include "lab/yardstick.h"

namespace isochrone::lab {
namespace {

// 16 packets cost about 40 us: the longest that a due packet waits behind reading.
constexpr int kReadBatch = 16;

constexpr std::size_t kUdpHeaderBytes = 8;

}  // namespace

Emulator::Emulator(Loop& loop, const Plan& plan, Wan& wan, std::vector<Fd> links)
    : loop_(loop),
      plan_(plan),
      wan_(wan),
      links_(std::move(links)),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
  assert(links_.size() == plan_.nodes.size());
  for (std::size_t link = 0; link < links_.size(); ++link) {
    polls_.push_back(std::make_unique<Poll>(loop_, links_[link].get(),
                                            [this, link](unsigned) { read_link(link); }));
    polls_.back()->watch(Poll::readable);
  }
  polls_.push_back(
      std::make_unique<Poll>(loop_, timer_.get(), [this](unsigned) { deliver_due(); }));
  polls_.back()->watch(Poll::readable);
}

void Emulator::read_link(std::size_t link) {
  for (int i = 0; i < kReadBatch; ++i) {
    PacketSlot* slot = queue_.acquire();
    PacketSlot& target = slot != nullptr ? *slot : overflow_;
    const auto count = ::read(links_[link].get(), target.bytes.data(), target.bytes.size());
    if (count <= 0) {
      if (slot != nullptr) queue_.release(slot);
      break;
    }
    ++stats_.read;
    if (slot == nullptr) {
      ++stats_.overflow;
      continue;
    }
    const Monotonic now = loop_.now();
    slot->length = static_cast<std::size_t>(count);
    const auto delay = route(*slot, link);
    if (delay) {
      queue_.push(slot, now + *delay);
    } else {
      queue_.release(slot);
    }
  }
  deliver_due();
}

std::optional<Nanos> Emulator::route(PacketSlot& slot, std::size_t from) {
  const auto header = parse_ip(Bytes(slot.bytes).first(slot.length));
  if (!header) {
    ++stats_.malformed;
    return std::nullopt;
  }
  if (header->destination == kYardstick) return echo(slot, from, *header);
  if (const auto node = plan_.node_of(header->destination)) {
    return forward(slot, from, *node, *header);
  }
  if (const auto network = plan_.network_of(header->destination)) {
    return answer(slot, from, *network, *header);
  }
  ++stats_.unroutable;
  return std::nullopt;
}

std::optional<Nanos> Emulator::forward(PacketSlot& slot, std::size_t from, std::size_t to,
                                       const IpHeader& header) {
  const auto delay = wan_.forward_delay(from, to);
  ++(delay ? stats_.forwarded : stats_.lost);
  slot.link = to;
  slot.length = header.length;
  return delay;
}

std::optional<Nanos> Emulator::answer(PacketSlot& slot, std::size_t from, std::size_t network,
                                      const IpHeader& header) {
  const auto delay = wan_.answer_delay(from, network);
  if (!delay) {
    ++stats_.lost;
    return std::nullopt;
  }
  slot.link = from;
  HostBehaviour behaviour;
  behaviour.hears_icmp = plan_.hearings[network].icmp;
  behaviour.hears_tcp = plan_.hearings[network].tcp;
  slot.length = answer_as_host(slot.bytes, header, behaviour);
  if (slot.length == 0) {
    ++stats_.silent;
    return std::nullopt;
  }
  ++stats_.answered;
  return delay;
}

std::optional<Nanos> Emulator::echo(PacketSlot& slot, std::size_t from, const IpHeader& header) {
  const std::size_t payload = header.payload_offset + kUdpHeaderBytes;
  if (payload <= header.length) {
    const Bytes packet = Bytes(slot.bytes).first(header.length);
    if (const auto error = read_yardstick(packet.subspan(payload))) delay_error_.add(*error);
  }
  slot.link = from;
  slot.length = echo_udp(slot.bytes, header);
  if (slot.length == 0) {
    ++stats_.silent;
    return std::nullopt;
  }
  return kYardstickDelay;
}

void Emulator::deliver_due() {
  Monotonic now = loop_.now();
  while (PacketSlot* slot = queue_.pop_due(now)) {
    const auto written = ::write(links_[slot->link].get(), slot->bytes.data(), slot->length);
    const Monotonic after = loop_.now();
    timer_error_.add(after - slot->due);
    if (written < 0) ++stats_.write_failed;
    queue_.release(slot);
    now = after;
  }
  arm();
}

void Emulator::arm() {
  const auto due = queue_.next_due();
  if (due == armed_ && due && *due > loop_.now()) return;
  armed_ = due;
  itimerspec when{};
  if (due) {
    const auto nanos = due->time_since_epoch().count();
    when.it_value.tv_sec = nanos / 1'000'000'000;
    when.it_value.tv_nsec = nanos % 1'000'000'000;
  }
  // Setting it also clears an expiration that was not read; a time that has passed fires at once.
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

bool claim_realtime() {
  // The lowest real-time priority is above every ordinary process, which is all that is needed.
  sched_param parameters{};
  parameters.sched_priority = 1;
  if (::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameters) == 0) return true;
  constexpr int kNice = -10;
  // Refused without privileges: then the lab is less exact under load, and says so.
  static_cast<void>(::setpriority(PRIO_PROCESS, 0, kNice));
  return false;
}

}  // namespace isochrone::lab
