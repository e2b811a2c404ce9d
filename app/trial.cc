// SPDX-License-Identifier: Apache-2.0
#include "app/trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/sha256.h"

namespace isochrone::app {
namespace {

// When what ran before cannot be taken back, for a zone file that is broken now, say.
constexpr Millis kTryAgain{10'000};

tl::unexpected<std::vector<Error>> refuse(Errc code, std::string text) {
  return tl::unexpected(std::vector<Error>{Error(code, std::move(text))});
}

}  // namespace

Trial::Trial(Loop& loop, std::filesystem::path place, Take take)
    : loop_(loop),
      place_(std::move(place)),
      take_(std::move(take)),
      timer_(loop, [this] { expire(); }) {}

Checked<void> Trial::begin(const std::filesystem::path& candidate, Nanos patience,
                           const Config& running) {
  if (is_on()) {
    return refuse(Errc::unavailable,
                  status_->file.string() + " is on trial; confirm or undo that one first");
  }
  const auto text = read_config(candidate);
  if (!text) return tl::unexpected(text.error());
  if (is_in_place(to_hex(sha256(*text)))) {
    return refuse(Errc::invalid, place_.string() +
                                     " has that text already, so nothing would undo it after a "
                                     "crash; put back what it had, and try another file");
  }
  const auto config = parse_config_of(*text, candidate, place_);
  if (!config) return tl::unexpected(config.error());
  Config before = running;
  if (auto taken = take_(*config); !taken) return taken;
  before_ = std::move(before);
  status_ = Status{candidate, to_hex(sha256(*text)), patience};
  deadline_ = loop_.now() + patience;
  timer_.start(std::chrono::ceil<Millis>(patience));
  log_info(fmt::format("configuration on trial file={} undone_in={}", candidate.string(),
                       format_duration(patience)));
  return {};
}

Checked<void> Trial::confirm() {
  if (!is_on()) return refuse(Errc::not_found, "no configuration is on trial");
  timer_.stop();
  log_info(fmt::format("configuration confirmed file={}", status_->file.string()));
  status_.reset();
  before_.reset();
  return {};
}

Checked<void> Trial::undo() {
  if (!is_on()) return refuse(Errc::not_found, "no configuration is on trial");
  if (is_in_place(status_->digest)) {
    static_cast<void>(confirm());
    return refuse(Errc::invalid, place_.string() + " has it already: it is confirmed");
  }
  return give_back();
}

bool Trial::is_in_place(const std::string& digest) const {
  const auto text = read_config(place_);
  return text && to_hex(sha256(*text)) == digest;
}

Checked<void> Trial::give_back() {
  if (auto taken = take_(*before_); !taken) return taken;
  timer_.stop();
  log_info(fmt::format("configuration undone file={}", status_->file.string()));
  status_.reset();
  before_.reset();
  return {};
}

void Trial::expire() {
  if (is_in_place(status_->digest)) return static_cast<void>(confirm());
  log_warning(
      fmt::format("configuration was not confirmed in time file={}", status_->file.string()));
  const auto undone = give_back();
  if (undone) return;
  for (const Error& error : undone.error()) log_error(error.within("undoing").text());
  timer_.start(kTryAgain);
}

std::optional<Trial::Status> Trial::status() const {
  auto status = status_;
  if (status) status->left = std::max(Nanos(0), deadline_ - loop_.now());
  return status;
}

}  // namespace isochrone::app
