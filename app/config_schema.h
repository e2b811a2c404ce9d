// SPDX-License-Identifier: Apache-2.0
//
// Key: one row per key of the configuration file; parser, `check` and manual page come from the rows.
//
// Threads:  constant.
// Paths:    as written with dots; "[]" after the name of a list of sections: "services[].ttl".
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/ip.h"
#include "base/result.h"
#include "base/time.h"

namespace isochrone::app {

enum class KeyType {
  section,    // a mapping of keys
  text,       // printable ASCII, at most 80
  filter,     // an expression over the fields of an event
  name,       // of a node or site: what may stand in a metric label
  host_name,  // lower case, no trailing dot
  file,       // has to exist
  directory,  // made when absent
  address,
  endpoint,  // ADDRESS@PORT
  prefix,
  url,
  duration,
  integer,
  number,
  boolean,
  word,  // one of the words in `range`
};

enum class Count { one, many };
enum class Need { optional, required };  // required where its section is present

struct Key {
  std::string_view path;
  KeyType type;
  Count count;
  Need need;
  std::string_view unit;      // of a bare number
  std::string_view range;     // "1..256", or the words that are allowed: "a|b"
  std::string_view fallback;  // as written in the file; empty: nothing
  std::string_view sentence;

  // The last part of the path: "ttl" of "services[].ttl".
  std::string_view name() const;
  // What lies before it, without a dot: "services[]"; empty at the top.
  std::string_view section() const;
};

std::span<const Key> config_keys();
// Its parts, each in a file of its own.
std::span<const Key> most_keys();
std::span<const Key> beacon_keys();
std::span<const Key> prober_keys();
std::span<const Key> terms_keys();
const Key* find_key(std::string_view path);

using ConfigValue =
    std::variant<std::string, Nanos, std::int64_t, double, bool, Address, Prefix, Endpoint>;

// The text of a scalar as this key's type, inside this key's range; the Error is "what; what to do".
Result<ConfigValue> parse_value(const Key& key, std::string_view text);

// The keys as an mdoc list: the middle of docs/man/isochrone.conf.5.
std::string keys_as_mdoc();

}  // namespace isochrone::app
