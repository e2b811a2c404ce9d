// SPDX-License-Identifier: Apache-2.0
#include "dns/transfer_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/log.h"
#include "base/secret_file.h"
#include "base/text.h"
#include "dns/base64.h"
#include "dns/journal.h"
#include "dns/journal_store.h"
#include "dns/master_file.h"
#include "dns/notify_out.h"
#include "dns/secondary.h"
#include "dns/zone_history.h"
#include "dns/zone_store.h"

namespace isochrone::dns {
namespace {

using Errors = std::vector<Error>;

Result<TsigKey> load_key(const TsigKeySource& source) {
  const auto text = read_secret_file(source.secret_file);
  if (!text) return tl::unexpected(text.error());
  auto secret = from_base64(trim(*text));
  if (!secret || secret->empty()) {
    return fail(Errc::invalid, source.secret_file.string() +
                                   " holds no base64; \"openssl rand -base64 32\" makes a secret");
  }
  TsigKey key;
  key.name = source.name;
  key.wire = name_from_text(source.name).value_or(std::vector<std::uint8_t>{0});
  key.algorithm = source.algorithm;
  key.secret = std::move(*secret);
  return key;
}

std::optional<SoaTimes> held_times(const BuildInputs& inputs, const Zone& zone) {
  if (!zone.is_available()) return std::nullopt;
  ZoneWalk walk({*inputs.zones, *inputs.topology, zone});  // with the primary's serial, not ours
  return soa_times(walk.soa().data);
}

ZoneVersion version_of(const BuildInputs& inputs, const Zone& zone) {
  return {*inputs.zones, *inputs.topology, zone,
          inputs.signatures ? inputs.signatures->of(&zone) : nullptr};
}

using Apex = std::vector<std::uint8_t>;
Apex apex_of(const Zone& zone) { return {zone.origin().begin(), zone.origin().end()}; }

}  // namespace

std::shared_ptr<const TransferPolicy> load_policy(const Options& options, Errors& errors) {
  auto policy = std::make_shared<TransferPolicy>();
  policy->max_transfers = std::max(1U, options.max_transfers / std::max(1U, options.workers));
  for (const TsigKeySource& source : options.keys) {
    auto key = load_key(source);
    if (key) {
      policy->keys.push_back(std::move(*key));
    } else {
      errors.push_back(key.error().within("key " + source.name));
    }
  }
  for (const ZoneSource& source : options.zones) {
    if (auto apex = name_from_text(source.name)) {
      policy->zones[std::move(*apex)].options = source.transfer;
    }
  }
  return policy;
}

// Everything here runs in the keeper's thread.
class TransferKeeper::Keeper {
 public:
  Keeper(Loop& loop, const Options& options, BuildInputs inputs, Hooks hooks, bool following)
      : loop_(loop),
        is_following_(following),
        options_(options),
        inputs_(std::move(inputs)),
        hooks_(std::move(hooks)),
        notify_(loop) {
    begin_histories();
    follow_primaries();
    if (!following) return;  // whoever does has told them
    for (const Zone& zone : inputs_.zones->zones()) tell(zone);
  }

  void reload(const Options& options, BuildInputs next) {
    secondaries_.clear();
    options_ = options;
    publish(std::move(next));
    follow_primaries();
  }

  Errors reload_zone(std::string_view name) {
    const auto source = std::find_if(options_.zones.begin(), options_.zones.end(),
                                     [&](const ZoneSource& zone) { return zone.name == name; });
    if (source == options_.zones.end()) {
      return {Error(Errc::not_found, fmt::format("zone {} is not configured", name))};
    }
    if (source->is_secondary) {
      notified(name_from_text(source->name).value_or(std::vector<std::uint8_t>()));
      return {};
    }
    auto records = read_master_file(source->file, source->name);
    if (records.origin.empty()) return std::move(records.errors);
    return install(std::move(records), true, [] {});
  }

  void set_following(bool following) {
    is_following_ = following;
    secondaries_.clear();
    histories_.clear();  // of files that another process writes, or wrote
    if (following) catch_up();
    begin_histories();
    follow_primaries();
    // A start makes signatures, and so a version, that whoever followed did not tell of.
    for (const Zone& zone : inputs_.zones->zones()) {
      if (following && version_of(inputs_, zone).signatures != nullptr) tell(zone);
    }
  }

  void signed_again(std::shared_ptr<const SignedZones> signatures) {
    if (signatures->zones() != inputs_.zones) return;  // others are signed by now
    BuildInputs next = inputs_;
    next.signatures = std::move(signatures);
    const auto changed = remember(next);
    inputs_ = std::move(next);
    hooks_.publish_signatures(inputs_, !changed.empty());
    for (const Zone* zone : changed) tell(*zone);
  }

  void notified(const std::vector<std::uint8_t>& apex) {
    for (const auto& secondary : secondaries_) {
      if (name_from_text(secondary->source().name) == apex) secondary->notified();
    }
  }

 private:
  void follow_primaries() {
    if (!is_following_) return;
    for (const ZoneSource& source : options_.zones) {
      const auto apex = name_from_text(source.name);
      const Zone* zone = source.is_secondary && apex ? inputs_.zones->zone_of(*apex) : nullptr;
      if (zone == nullptr) continue;
      secondaries_.push_back(std::make_unique<Secondary>(
          loop_, source, inputs_.transfers->keys, held_times(inputs_, *zone),
          [this](ZoneRecords records, const Secondary::Store& store) {
            const Errors errors = install(std::move(records), false, store);
            return errors.empty() ? std::string() : errors.front().text();
          }));
    }
  }

  // What another process has stored since this one loaded: secondaries and clients have seen it, so that
  // is what goes on from here.
  void catch_up() {
    BuildInputs next = inputs_;
    bool is_behind = false;
    for (const ZoneSource& source : options_.zones) {
      if (source.is_secondary) is_behind |= take_stored(source, next);
    }
    if (is_behind) log_errors(hooks_.sign(options_, next));
    bool is_taken = false;
    for (ZoneSource& source : options_.zones) {
      if (source.signing && source.signing->raises_serial) is_taken |= note_taken(source, next);
    }
    if (is_taken) log_errors(hooks_.sign(options_, next));
    if (!is_behind && !is_taken) return;
    inputs_ = std::move(next);
    hooks_.publish(options_, inputs_);
  }

  // True when a newer version than that of `next` was on disk, which is in `next` now.
  static bool take_stored(const ZoneSource& source, BuildInputs& next) {
    ZoneRecords stored = read_stored_zone(source.file, source.name);
    const Zone* zone = next.zones->zone_of(stored.origin);
    const auto times = stored.is_unavailable ? std::nullopt : soa_times(stored);
    if (zone == nullptr || !times) return false;
    if (zone->is_available() && !is_newer_serial(times->serial, zone->serial())) return false;
    auto loaded = ZoneSet::replaced(*next.zones, std::move(stored), *next.topology);
    log_errors(loaded.errors);
    if (!loaded.zones) return false;
    next.zones = std::move(loaded.zones);
    return true;
  }

  // True when secondaries may have the serial of the zone in `next`, or a newer one, with other contents.
  bool note_taken(ZoneSource& source, const BuildInputs& next) const {
    const auto apex = name_from_text(source.name);
    const Zone* zone = apex ? next.zones->zone_of(*apex) : nullptr;
    const auto stored = read_journal(journal_file(options_.state_dir, source.name));
    if (!stored || zone == nullptr || !zone->is_available()) return false;
    const VersionRecords newest = stored->newest();
    const VersionRecords now = records_of(version_of(next, *zone));
    if (is_newer_serial(now.serial, newest.serial)) return false;
    if (now.serial == newest.serial && is_empty(difference(newest, now))) return false;
    source.signing->taken_serial = newest.serial;
    return true;
  }

  static void log_errors(const Errors& errors) {
    for (const Error& error : errors) log_error(error.text());
  }

  // One zone anew, or its end; `store` is called in between. Where signing fails for a transfer's sake,
  // another zone is at fault: its error is told, and the transfer stands.
  Errors install(ZoneRecords records, bool must_sign, const Secondary::Store& store) {
    auto loaded = ZoneSet::replaced(*inputs_.zones, std::move(records), *inputs_.topology);
    if (!loaded.zones) return std::move(loaded.errors);
    for (const std::string& warning : loaded.warnings) log_warning(warning);
    store();
    BuildInputs next = inputs_;
    next.zones = std::move(loaded.zones);
    Errors unsigned_zones = hooks_.sign(options_, next);
    if (must_sign && !unsigned_zones.empty()) return unsigned_zones;
    log_errors(unsigned_zones);
    publish(std::move(next));
    return {};
  }

  void publish(BuildInputs next) {
    const auto changed = remember(next);
    inputs_ = std::move(next);
    hooks_.publish(options_, inputs_);
    for (const Zone* zone : changed) tell(*zone);  // of inputs_.zones
  }

  // What was served before this start leads to what is served now. Whoever follows primaries has the files.
  void begin_histories() {
    if (!is_following_) return;
    auto policy = std::make_shared<TransferPolicy>(*inputs_.transfers);
    bool has_journal = false;
    for (const Zone& zone : inputs_.zones->zones()) {
      ZoneTransfer& transfer = policy->zones[apex_of(zone)];
      if (transfer.options.allow.empty() || !zone.is_available()) continue;
      ZoneHistory& history = history_of(zone);
      history.begin(version_of(inputs_, zone));
      transfer.journal = history.journal();
      has_journal |= transfer.journal != nullptr;
    }
    if (!has_journal) return;
    inputs_.transfers = std::move(policy);
    hooks_.publish(options_, inputs_);
  }

  ZoneHistory& history_of(const Zone& zone) {
    const auto found = histories_.find(apex_of(zone));
    if (found != histories_.end()) return found->second;
    const std::string name = name_to_text(zone.origin());
    const auto folder = is_following_ ? options_.state_dir : std::filesystem::path();
    return histories_
        .try_emplace(apex_of(zone), name,
                     folder.empty() ? std::filesystem::path() : journal_file(folder, name))
        .first->second;
  }

  // Keeps what leads to each zone of `next`, to be published with it; the zones that have new versions.
  std::vector<const Zone*> remember(BuildInputs& next) {
    auto policy = std::make_shared<TransferPolicy>(*next.transfers);
    std::vector<const Zone*> changed;
    for (const Zone& zone : next.zones->zones()) {
      ZoneTransfer& transfer = policy->zones[apex_of(zone)];
      const Zone* before = inputs_.zones->zone_of(zone.origin());
      transfer.journal = journal_of(before, zone, next, transfer.options);
      const bool is_new = before == nullptr ||
                          version_of(inputs_, *before).serial() != version_of(next, zone).serial();
      if (is_new) changed.push_back(&zone);
    }
    next.transfers = std::move(policy);
    return changed;
  }

  // What leads to `zone` from the versions before it.
  std::shared_ptr<const Journal> journal_of(const Zone* before, const Zone& zone,
                                            const BuildInputs& next,
                                            const TransferOptions& options) {
    if (options.allow.empty() || !zone.is_available()) {
      histories_.erase(apex_of(zone));
      return nullptr;
    }
    const bool has_history = histories_.count(apex_of(zone)) != 0;
    ZoneHistory& history = history_of(zone);
    if (has_history && before != nullptr && before->is_available()) {
      history.extend(version_of(inputs_, *before), version_of(next, zone));
    } else {
      history.begin(version_of(next, zone));
    }
    return history.journal();
  }

  void tell(const Zone& zone) {
    const ZoneTransfer* transfer = inputs_.transfers->zone(zone.origin());
    if (transfer == nullptr || !zone.is_available()) return;
    notify_.tell(zone.origin(), transfer->options.notify, *inputs_.transfers);
  }

  Loop& loop_;
  bool is_following_;
  Options options_;
  BuildInputs inputs_;
  const Hooks hooks_;
  NotifyOut notify_;
  std::vector<std::unique_ptr<Secondary>> secondaries_;
  std::map<Apex, ZoneHistory> histories_;  // of the zones that others may have
};

TransferKeeper::TransferKeeper(const Options& options, BuildInputs inputs, Hooks hooks,
                               bool following)
    : thread_("dns-zones") {
  thread_.call([&] {
    keeper_ = std::make_unique<Keeper>(thread_.loop(), options, std::move(inputs), std::move(hooks),
                                       following);
  });
}

TransferKeeper::~TransferKeeper() {
  thread_.call([&] { keeper_.reset(); });
}

tl::expected<void, Errors> TransferKeeper::reload(const Options& options,
                                                  const std::function<Loaded()>& load) {
  tl::expected<void, Errors> done;
  thread_.call([&] {
    auto inputs = load();
    if (inputs) {
      keeper_->reload(options, std::move(*inputs));
    } else {
      done = tl::unexpected(std::move(inputs.error()));
    }
  });
  return done;
}

Errors TransferKeeper::reload_zone(std::string_view zone) {
  Errors errors;
  thread_.call([&] { errors = keeper_->reload_zone(zone); });
  return errors;
}

void TransferKeeper::set_following(bool following) {
  thread_.call([&] { keeper_->set_following(following); });
}

void TransferKeeper::signed_again(std::shared_ptr<const SignedZones> signatures) {
  thread_.post([this, signatures = std::move(signatures)] {
    if (keeper_) keeper_->signed_again(signatures);
  });
}

void TransferKeeper::notified(Bytes apex) {
  thread_.post([this, apex = std::vector<std::uint8_t>(apex.begin(), apex.end())] {
    if (keeper_) keeper_->notified(apex);
  });
}

}  // namespace isochrone::dns
