// SPDX-License-Identifier: Apache-2.0
#include "collector/filter_fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "event/names.h"
#include "event/subject.h"

namespace isochrone::collector {
namespace {

using Field = Filter::Field;

// In the order of Filter::Field.
constexpr std::array<std::string_view, 19> kNames{
    "channel",  "source",  "task",   "site",   "service", "method",  "status",
    "origin",   "reason",  "prefix", "rtt_ms", "rtt_us",  "queries", "offered",
    "capacity", "version", "weight", "scope",  "lost"};
static_assert(kNames.size() == static_cast<std::size_t>(Field::lost) + 1);

template <class T>
FieldValue number(T value) {
  return static_cast<double>(value);
}

struct Payload {
  Field field;

  FieldValue operator()(const event::Measurement& m) const {
    if (field == Field::method) return event::method_name(m.method);
    if (field == Field::lost) return !m.rtt.has_value();
    if (!m.rtt) return {};
    if (field == Field::rtt_us) return number(m.rtt->count());
    if (field == Field::rtt_ms) return static_cast<double>(m.rtt->count()) / 1'000;
    return {};
  }
  FieldValue operator()(const event::Demand& d) const {
    if (field == Field::service) return std::string_view(d.service);
    if (field == Field::queries) return number(d.queries);
    return {};
  }
  FieldValue operator()(const event::Health& h) const {
    if (field == Field::status) return event::to_string(h.status);
    if (field == Field::origin) return event::to_string(h.origin);
    if (field == Field::reason) return std::string_view(h.reason);
    return {};
  }
  FieldValue operator()(const event::Load& l) const {
    if (field == Field::offered) return number(l.offered);
    if (field == Field::capacity) return number(l.capacity);
    return {};
  }
  FieldValue operator()(const event::State& s) const {
    return field == Field::version ? number(s.version) : FieldValue();
  }
  FieldValue operator()(const event::Target& t) const {
    return field == Field::weight ? number(t.weight) : FieldValue();
  }
  FieldValue operator()(const event::DecisionSample& d) const {
    if (field == Field::service) return std::string_view(d.service);
    if (field == Field::reason) return std::string_view(d.reason);
    if (field == Field::scope) return number(d.scope);
    return {};
  }
};

}  // namespace

std::optional<Field> parse_field(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Field>(found - kNames.begin());
}

FieldType type_of(Field field) {
  if (field < Field::prefix) return FieldType::text;
  if (field == Field::prefix) return FieldType::prefix;
  return field == Field::lost ? FieldType::truth : FieldType::number;
}

std::string field_names() { return fmt::format("{}", fmt::join(kNames, ", ")); }

FieldValue value_of(Field field, const event::Event& event) {
  const event::Subject subject = event::subject_of(event);
  switch (field) {
    case Field::channel:
      return event::to_string(event.channel());
    case Field::source:
      return std::string_view(event.id.source);
    case Field::task:
      return std::string_view(event.task);
    case Field::site:
      return subject.site.empty() ? FieldValue() : FieldValue(subject.site);
    case Field::prefix:
      return subject.prefix ? FieldValue(*subject.prefix) : FieldValue();
    default:
      return std::visit(Payload{field}, event.payload);
  }
}

}  // namespace isochrone::collector
