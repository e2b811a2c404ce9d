// SPDX-License-Identifier: Apache-2.0
//
// The rows, found by their path and rendered for the manual page.
#include "app/config_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace isochrone::app {
namespace {

using enum KeyType;

std::string_view argument_of(const Key& key) {
  switch (key.type) {
    case section:
      return key.count == Count::many ? "list of sections" : "section";
    case text:
      return "text";
    case filter:
      return "filter";
    case name:
      return "name";
    case host_name:
      return "host name";
    case file:
      return "file";
    case directory:
      return "directory";
    case address:
      return "address";
    case endpoint:
      return "address@port";
    case prefix:
      return "prefix";
    case url:
      return "URL";
    case duration:
      return "duration";
    case integer:
    case number:
      return "number";
    case boolean:
      return "true|false";
    case word:
      return key.range;
  }
  return "value";
}

// "1..256 threads, default 1." after the sentence; empty when there is nothing to say.
std::string limits_of(const Key& key) {
  std::string limits;
  const auto append = [&limits](const std::string& part) {
    limits += (limits.empty() ? "" : ", ") + part;
  };
  if (key.need == Need::required) append("required");
  if (key.count == Count::many && key.type != section) append("one or a list");
  if (key.type != word && !key.range.empty()) {
    append(fmt::format("{}{}{}", key.range, key.unit.empty() ? "" : " ", key.unit));
  }
  if (!key.fallback.empty()) append(fmt::format("default {}", key.fallback));
  if (limits.empty()) return limits;
  if (limits.front() >= 'a') limits.front() = static_cast<char>(limits.front() - 'a' + 'A');
  return limits + ".";
}

// Lines of a manual page stay below 80 characters; what follows a line end is the same to mdoc.
std::string wrapped(std::string_view sentence) {
  constexpr std::size_t kWidth = 78;
  std::string lines;
  while (sentence.size() > kWidth) {
    const auto space = sentence.rfind(' ', kWidth);
    lines.append(sentence.substr(0, space)).append("\n");
    sentence.remove_prefix(space + 1);
  }
  return lines.append(sentence);
}

}  // namespace

std::string_view Key::name() const { return path.substr(path.rfind('.') + 1); }

std::string_view Key::section() const {
  const auto dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

std::span<const Key> config_keys() {
  static const std::vector<Key> all = [] {
    std::vector<Key> keys(most_keys().begin(), most_keys().end());
    const auto add = [&keys](std::string_view before, std::span<const Key> part) {
      const auto place = std::find_if(keys.begin(), keys.end(),
                                      [&](const Key& key) { return key.path == before; });
      keys.insert(place, part.begin(), part.end());
    };
    add("collector", beacon_keys());
    add("geo", prober_keys());
    add("services[].https", terms_keys());
    return keys;
  }();
  return all;
}

const Key* find_key(std::string_view path) {
  const auto keys = config_keys();
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const Key& key) { return key.path == path; });
  return found == keys.end() ? nullptr : &*found;
}

std::string keys_as_mdoc() {
  std::string page = ".Bl -tag -width Ds\n";
  for (const Key& key : config_keys()) {
    if (key.type == section && key.section().empty()) {
      page += fmt::format(".El\n.Ss {}\n{}\n.Bl -tag -width Ds\n", key.path, wrapped(key.sentence));
      continue;
    }
    page +=
        fmt::format(".It Cm {} : Ar {}\n{}\n", key.path, argument_of(key), wrapped(key.sentence));
    if (const std::string limits = limits_of(key); !limits.empty()) page += limits + "\n";
  }
  // The first section closes a list that holds nothing yet.
  return page.substr(page.find(".Ss")) + ".El\n";
}

}  // namespace isochrone::app
