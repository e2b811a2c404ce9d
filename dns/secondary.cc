// SPDX-License-Identifier: Apache-2.0
#include "dns/secondary.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "base/random.h"
#include "dns/framing.h"
#include "dns/wire.h"
#include "dns/zone_store.h"

namespace isochrone::dns {
namespace {

Seconds at_least_one(std::uint32_t seconds) { return Seconds(std::max<std::uint32_t>(seconds, 1)); }

}  // namespace

std::optional<SoaTimes> soa_times(Bytes soa_data) {
  if (soa_data.size() < 20) return std::nullopt;
  ByteReader in(soa_data.last(20));
  SoaTimes times;
  times.serial = in.u32();
  times.refresh = at_least_one(in.u32());
  times.retry = at_least_one(in.u32());
  times.expire = at_least_one(in.u32());
  return times;
}

std::optional<SoaTimes> soa_times(const ZoneRecords& zone) {
  for (const ZoneRecords::Row& row : zone.rows) {
    if (row.type == type::soa) return soa_times(zone.rdata(row));
  }
  return std::nullopt;
}

Secondary::Secondary(Loop& loop, ZoneSource source, std::vector<TsigKey> keys,
                     std::optional<SoaTimes> held, Install install)
    : loop_(loop),
      source_(std::move(source)),
      keys_(std::move(keys)),
      apex_(name_from_text(source_.name).value_or(std::vector<std::uint8_t>{0})),
      install_(std::move(install)),
      held_(held),
      next_(loop, [this] { start(); }),
      stall_(loop, [this] { give_up("it sends nothing"); }),
      expiry_(loop, [this] { expire(); }) {
  if (held_) {
    // Confirmed in the future: the clock was set back since.
    const Nanos left = confirmed_at(source_.file) + held_->expire - loop_.wall();
    expiry_.start(std::chrono::ceil<Millis>(std::clamp<Nanos>(left, Nanos(0), held_->expire)));
  }
  wait(Millis(0));  // a version from disk may be old
}

Secondary::~Secondary() = default;

std::uint64_t Secondary::unix_now() const {
  return static_cast<std::uint64_t>(unix_nanos(loop_.wall()) / 1'000'000'000);
}

void Secondary::notified() {
  if (is_running_) {
    is_notified_ = true;
  } else {
    wait(Millis(0));
  }
}

void Secondary::wait(Millis time) { next_.start(time); }

void Secondary::start() {
  if (is_running_) return;
  is_running_ = true;
  primary_ = 0;
  is_whole_wanted_ = false;
  why_.clear();
  try_next();
}

// After the last primary: the round has failed.
void Secondary::try_next() {
  if (primary_ < source_.transfer.primaries.size()) {
    return connect_to(source_.transfer.primaries[primary_]);
  }
  is_running_ = false;
  if (!has_told_failure_) {
    log_warning(fmt::format("zone not refreshed, {} zone={} reason=\"{}\"",
                            held_ ? "answering from the version held" : "it is unavailable",
                            source_.name, why_));
  }
  has_told_failure_ = true;
  wait(held_ ? held_->retry : retry_);
  retry_ = std::min(retry_ * 2, kLongestRetry);
}

void Secondary::connect_to(const TransferPeer& peer) {
  sockaddr_storage to{};
  const socklen_t size = peer.endpoint.to_sockaddr(to);
  socket_ = Fd(::socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket_ || (connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), size) != 0 &&
                   errno != EINPROGRESS)) {
    return give_up(std::strerror(errno));
  }
  const TsigKey* key = nullptr;
  for (const TsigKey& one : keys_) {
    if (one.name == peer.key) key = &one;
  }
  std::array<std::uint8_t, 2> id{};
  random_bytes(id);
  transfer_ = std::make_unique<TransferIn>(
      apex_, held_ ? std::optional(held_->serial) : std::nullopt,
      [this] { return unstored_ ? *unstored_ : read_stored_zone(source_.file, source_.name); }, key,
      static_cast<std::uint16_t>(id[0] << 8 | id[1]));
  const auto request = transfer_->request(is_whole_wanted_, unix_now());
  output_ = {static_cast<std::uint8_t>(request.size() >> 8),
             static_cast<std::uint8_t>(request.size())};
  output_.insert(output_.end(), request.begin(), request.end());
  written_ = 0;
  poll_ =
      std::make_unique<Poll>(loop_, socket_.get(), [this](unsigned events) { on_ready(events); });
  poll_->watch(Poll::readable | Poll::writable);
  stall_.start(kStall);
}

void Secondary::on_ready(unsigned events) {
  if ((events & Poll::writable) != 0 && written_ < output_.size() && !send_request()) {
    return give_up(std::strerror(errno));
  }
  if ((events & Poll::readable) != 0 && !receive()) give_up("it closed the connection");
}

bool Secondary::send_request() {
  const ssize_t count = send(socket_.get(), output_.data() + written_, output_.size() - written_,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  written_ += static_cast<std::size_t>(count);
  if (written_ == output_.size()) poll_->watch(Poll::readable);
  return true;
}

// One read per wake-up. False: the connection is over.
bool Secondary::receive() {
  std::array<std::uint8_t, 65'536> block;
  const ssize_t count = recv(socket_.get(), block.data(), block.size(), MSG_DONTWAIT);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  if (count == 0) return false;
  stall_.start(kStall);
  input_.insert(input_.end(), block.begin(), block.begin() + count);
  Bytes rest(input_);
  while (const auto message = take_message(rest)) {
    const auto step = transfer_->take(*message, unix_now());
    if (step != TransferIn::Step::more) {
      take(step);
      return true;
    }
  }
  input_.erase(input_.begin(), input_.end() - static_cast<std::ptrdiff_t>(rest.size()));
  return true;
}

void Secondary::take(TransferIn::Step step) {
  switch (step) {
    case TransferIn::Step::more:
      return;
    case TransferIn::Step::done:
      return install();
    case TransferIn::Step::current:
      end_attempt();
      return confirm_version();
    case TransferIn::Step::fall_back:
      end_attempt();
      is_whole_wanted_ = true;  // of the same primary
      return try_next();
    case TransferIn::Step::failed:
      return give_up(transfer_->why());
  }
}

void Secondary::install() {
  const bool is_incremental = transfer_->is_incremental();
  ZoneRecords records = transfer_->records();
  records.passages = {{1, 1, fmt::format("transfer of {}", source_.name)}};
  const auto times = soa_times(records);
  const std::size_t rows = records.rows.size();
  ZoneRecords copy = records;  // building the zone takes the records apart
  const std::string wrong =
      times ? install_(std::move(records), [&] { store(std::move(copy)); }) : "no SOA";
  if (!wrong.empty()) return give_up(wrong);
  const auto& primary = source_.transfer.primaries[primary_].endpoint;
  log_info(fmt::format("zone transferred zone={} serial={} from={} records={} incremental={}",
                       source_.name, times->serial, primary.to_string(), rows, is_incremental));
  held_ = times;
  end_attempt();
  confirm_version();
}

// What cannot be written is kept, and tried again with every confirmation; told once, until it works.
void Secondary::store(ZoneRecords records) {
  const auto stored = store_zone(source_.file, records);
  if (!stored && !unstored_) {
    log_error(fmt::format("zone not stored, a restart waits for its primary zone={} reason=\"{}\"",
                          source_.name, stored.error().text()));
  }
  if (stored && unstored_) log_info(fmt::format("zone is stored again zone={}", source_.name));
  unstored_.reset();
  if (!stored) unstored_ = std::move(records);
}

void Secondary::confirm_version() {
  is_running_ = false;
  retry_ = kFirstRetry;
  if (has_told_failure_) log_info(fmt::format("zone is refreshed again zone={}", source_.name));
  has_told_failure_ = false;
  if (unstored_) store(ZoneRecords(*unstored_));
  confirm(source_.file, loop_.wall());
  expiry_.start(held_->expire);
  wait(std::exchange(is_notified_, false) ? Millis(0) : Millis(held_->refresh));
}

void Secondary::end_attempt() {
  stall_.stop();
  poll_.reset();
  socket_.reset();
  transfer_.reset();
  input_ = {};
}

void Secondary::give_up(const std::string& why) {
  const auto& peer = source_.transfer.primaries[primary_].endpoint;
  why_ += fmt::format("{}{}: {}", why_.empty() ? "" : "; ", peer.to_string(), why);
  end_attempt();
  ++primary_;
  is_whole_wanted_ = false;
  try_next();
}

void Secondary::expire() {
  log_error(fmt::format("zone has expired, no primary confirmed it for {} zone={}",
                        format_duration(held_->expire), source_.name));
  ZoneRecords none;
  none.origin = apex_;
  none.is_unavailable = true;
  install_(std::move(none), [] {});  // the file stays: a primary may confirm it yet
  held_.reset();
}

}  // namespace isochrone::dns
