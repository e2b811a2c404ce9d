// SPDX-License-Identifier: Apache-2.0
//
// The fields of events that a Filter can name, and what an event has in them.
#pragma once

#include <optional>
#include <string_view>
#include <variant>

#include "collector/filter.h"

namespace isochrone::collector {

enum class FieldType : std::uint8_t { text, prefix, number, truth };

std::optional<Filter::Field> parse_field(std::string_view name);
FieldType type_of(Filter::Field field);
// "channel, source, ...": for errors.
std::string field_names();

// Nothing where the event has no such field. Texts borrow from the event.
using FieldValue = std::variant<std::monostate, std::string_view, Prefix, double, bool>;
FieldValue value_of(Filter::Field field, const event::Event& event);

}  // namespace isochrone::collector
