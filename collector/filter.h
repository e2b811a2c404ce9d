// SPDX-License-Identifier: Apache-2.0
//
// Filter: an expression over the fields of an event, as readers of channels and policies write it.
//
//   rtt_ms > 50 && site == "fra"
//   !(prefix in "192.0.2.0/24") || task == "fra-17"
//
// Threads: immutable once parsed; any number of readers.
// Limits:  kMaxFilterBytes, kMaxFilterDepth of parentheses and "!".
// Errors:  one, with the column, counted from 1: "column 8: \"siet\" is no field; ...".
// Cost:    a look at the fields that are named, nothing allocated but for "source" and "task" borrowed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "event/event.h"

namespace isochrone::collector {

constexpr std::size_t kMaxFilterBytes = 1'024;
constexpr std::size_t kMaxFilterDepth = 16;

class Filter {
 public:
  static Result<Filter> parse(std::string_view text);

  // A comparison with a field that the event does not have is false, "!=" too.
  bool matches(const event::Event& event) const;
  const std::string& text() const noexcept { return text_; }
  friend bool operator==(const Filter& a, const Filter& b) { return a.text_ == b.text_; }

  enum class Field : std::uint8_t {
    // texts
    channel,
    source,
    task,
    site,
    service,
    method,
    status,
    origin,
    reason,
    // a prefix
    prefix,
    // numbers
    rtt_ms,
    rtt_us,
    queries,
    offered,
    capacity,
    version,
    weight,
    scope,
    // true or false
    lost
  };
  enum class Compare : std::uint8_t { equal, unequal, less, at_most, greater, at_least, inside };

 private:
  friend class FilterParser;
  struct Test {
    Field field;
    Compare compare = Compare::equal;
    std::string text;
    double number = 0;
    Prefix prefix;
  };
  // In the order of a stack machine: a test pushes what it finds, the others take from the stack.
  enum class Step : std::uint8_t { test, both, either, negate };
  struct Instruction {
    Step step;
    std::size_t test = 0;
  };
  static bool holds(const Test& test, const event::Event& event);

  std::string text_;
  std::vector<Test> tests_;
  std::vector<Instruction> program_;
};

}  // namespace isochrone::collector
