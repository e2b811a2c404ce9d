// SPDX-License-Identifier: Apache-2.0
#include "event/json_text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "event/codec.h"

namespace isochrone::event {
namespace {

using Json = nlohmann::json;

// An event is an object of arrays of objects: three levels.
constexpr int kMaxDepth = 3;

// What the library's parser lets through and we do not: repeated keys, deep nesting.
class Strictness {
 public:
  bool see(int depth, Json::parse_event_t what, const Json& parsed) {
    using Seen = Json::parse_event_t;
    if (what == Seen::object_start || what == Seen::array_start) {
      is_too_deep_ = is_too_deep_ || depth >= kMaxDepth;
      if (what == Seen::object_start) keys_.emplace_back();
    }
    if (what == Seen::object_end && !keys_.empty()) keys_.pop_back();
    if (what == Seen::key && !keys_.empty()) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys_.back().insert(key).second && repeated_.empty()) repeated_ = key;
    }
    return !is_too_deep_;
  }
  Result<void> result() const {
    if (is_too_deep_) {
      return fail(Errc::invalid, "nested too deeply; an event has at most three levels");
    }
    if (!repeated_.empty()) {
      return fail(Errc::invalid, fmt::format("field \"{}\": is given twice", repeated_));
    }
    return {};
  }

 private:
  std::vector<std::set<std::string>> keys_;  // of the objects now open
  std::string repeated_;
  bool is_too_deep_ = false;
};

}  // namespace

Result<Json> parse_json_text(std::string_view line) {
  if (line.size() > kMaxEventBytes) {
    return fail(Errc::limit, fmt::format("an event has at most {} bytes", kMaxEventBytes));
  }
  Strictness strictness;
  const Json::parser_callback_t see = [&](int depth, Json::parse_event_t what, Json& parsed) {
    return strictness.see(depth, what, parsed);
  };
  try {
    Json json = Json::parse(line.begin(), line.end(), see);
    if (auto strict = strictness.result(); !strict) return tl::unexpected(strict.error());
    return json;
  } catch (const Json::parse_error& error) {
    const bool is_utf8 = std::string_view(error.what()).find("UTF-8") == std::string_view::npos;
    return fail(Errc::invalid,
                fmt::format("not {} at byte {}", is_utf8 ? "valid JSON" : "UTF-8", error.byte));
  } catch (const Json::exception&) {
    return fail(Errc::invalid, "a number is out of range");
  }
}

}  // namespace isochrone::event
