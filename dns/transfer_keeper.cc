// SPDX-License-Identifier: Apache-2.0
#include "dns/transfer_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/secret_file.h"
#include "base/text.h"
#include "dns/base64.h"
#include "dns/journal.h"
#include "dns/master_file.h"
#include "dns/notify_out.h"
#include "dns/secondary.h"
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
  ZoneWalk walk(*inputs.zones, *inputs.topology, zone);
  return soa_times(walk.soa().data);
}

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
    return install(std::move(records), true);
  }

  void set_following(bool following) {
    is_following_ = following;
    secondaries_.clear();
    follow_primaries();
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
          [this](ZoneRecords records) {
            const Errors errors = install(std::move(records), false);
            return errors.empty() ? std::string() : errors.front().text();
          }));
    }
  }

  // One zone anew, or its end. Where signing fails for a transfer's sake, another zone is at fault:
  // its error is told, and the transfer stands.
  Errors install(ZoneRecords records, bool must_sign) {
    auto loaded = ZoneSet::replaced(*inputs_.zones, std::move(records), *inputs_.topology);
    if (!loaded.zones) return std::move(loaded.errors);
    for (const std::string& warning : loaded.warnings) log_warning(warning);
    BuildInputs next = inputs_;
    next.zones = std::move(loaded.zones);
    Errors unsigned_zones = hooks_.sign(options_, next);
    if (must_sign && !unsigned_zones.empty()) return unsigned_zones;
    for (const Error& error : unsigned_zones) log_error(error.text());
    publish(std::move(next));
    return {};
  }

  void publish(BuildInputs next) {
    auto policy = std::make_shared<TransferPolicy>(*next.transfers);
    std::vector<const Zone*> changed;
    for (const Zone& zone : next.zones->zones()) {
      ZoneTransfer& transfer = policy->zones[{zone.origin().begin(), zone.origin().end()}];
      const Zone* before = inputs_.zones->zone_of(zone.origin());
      transfer.journal = journal_of(before, zone, next, transfer.options);
      if (before == nullptr || before->serial() != zone.serial()) changed.push_back(&zone);
    }
    next.transfers = std::move(policy);
    inputs_ = std::move(next);
    hooks_.publish(options_, inputs_);
    for (const Zone* zone : changed) tell(*zone);  // of inputs_.zones
  }

  // What leads to `zone` from the versions before it.
  std::shared_ptr<const Journal> journal_of(const Zone* before, const Zone& zone,
                                            const BuildInputs& next,
                                            const TransferOptions& options) const {
    const bool is_wanted = !options.allow.empty();
    if (before == nullptr || !is_wanted || !before->is_available() || !zone.is_available()) {
      return nullptr;
    }
    const ZoneTransfer* known = inputs_.transfers->zone(zone.origin());
    const auto journal = known == nullptr ? nullptr : known->journal;
    if (before->serial() == zone.serial()) return journal;
    if (!is_newer_serial(zone.serial(), before->serial())) {
      log_warning(
          fmt::format("serial went back, secondaries will not take the version zone={} "
                      "before={} now={}",
                      name_to_text(zone.origin()), before->serial(), zone.serial()));
      return nullptr;
    }
    const ZoneVersion old{*inputs_.zones, *inputs_.topology, *before};
    const ZoneVersion now{*next.zones, *next.topology, zone};
    auto step = std::make_shared<const Difference>(difference(old, now));
    return std::make_shared<const Journal>((journal ? *journal : Journal()).extended(step));
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

void TransferKeeper::notified(Bytes apex) {
  thread_.post([this, apex = std::vector<std::uint8_t>(apex.begin(), apex.end())] {
    if (keeper_) keeper_->notified(apex);
  });
}

}  // namespace isochrone::dns
