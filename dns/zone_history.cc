// SPDX-License-Identifier: Apache-2.0
#include "dns/zone_history.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"

namespace isochrone::dns {

void ZoneHistory::begin(const ZoneVersion& version) {
  if (!has_file_) return;
  const VersionRecords now = records_of(version);
  const auto stored = store_.load();
  if (!stored) return start_anew(now);
  const VersionRecords newest = stored->newest();
  auto step = difference(newest, now);
  if (is_newer_serial(now.serial, newest.serial)) {
    const auto shared = std::make_shared<const Difference>(std::move(step));
    journal_ = std::make_shared<const Journal>(stored->journal.extended(shared));
    return note(store_.rewrite(*journal_, now));
  }
  if (now.serial == newest.serial && is_empty(step)) {
    journal_ = std::make_shared<const Journal>(stored->journal);
    if (!stored->later.empty()) note(store_.rewrite(*journal_, now));
    return;
  }
  log_warning(
      fmt::format("zone is not newer than what secondaries have, who will not take it; raise "
                  "its serial zone={} had={} now={}",
                  zone_, newest.serial, now.serial));
  start_anew(now);
}

void ZoneHistory::extend(const ZoneVersion& before, const ZoneVersion& version) {
  const std::uint32_t was = before.serial();
  const std::uint32_t is = version.serial();
  if (was == is) return;
  const VersionRecords now = records_of(version);
  if (is_newer_serial(is, was)) return take(difference(records_of(before), now), now);
  log_warning(fmt::format(
      "serial went back, secondaries will not take the version zone={} before={} now={}", zone_,
      was, is));
  start_anew(now);
}

void ZoneHistory::start_anew(const VersionRecords& now) {
  journal_ = nullptr;
  if (has_file_) note(store_.rewrite({}, now));
}

void ZoneHistory::take(Difference step, const VersionRecords& now) {
  const auto shared = std::make_shared<const Difference>(std::move(step));
  journal_ = std::make_shared<const Journal>((journal_ ? *journal_ : Journal()).extended(shared));
  if (!has_file_) return;
  note(store_.is_long() ? store_.rewrite(*journal_, now) : store_.append(*shared));
}

void ZoneHistory::note(const Result<void>& written) {
  if (!written && !has_failed_) {
    log_error(
        fmt::format("journal not written, after a restart secondaries get the whole zone "
                    "zone={} reason=\"{}\"",
                    zone_, written.error().text()));
  } else if (written && has_failed_) {
    log_info(fmt::format("journal is written again zone={}", zone_));
  }
  has_failed_ = !written;
}

}  // namespace isochrone::dns
