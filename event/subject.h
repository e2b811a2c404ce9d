// SPDX-License-Identifier: Apache-2.0
//
// Subject: the site and prefix an event is about: what filters and indexes look at.
#pragma once

#include <optional>
#include <string_view>

#include "event/event.h"

namespace isochrone::event {

// Empty where the event is about none. Borrows from the event.
struct Subject {
  std::string_view site;
  std::optional<Prefix> prefix;
};

Subject subject_of(const Event& event);

}  // namespace isochrone::event
