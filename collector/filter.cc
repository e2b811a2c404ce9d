// SPDX-License-Identifier: Apache-2.0
#include "collector/filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "collector/filter_fields.h"

namespace isochrone::collector {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t'; }
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

template <class T>
bool compared(Filter::Compare compare, const T& a, const T& b) {
  switch (compare) {
    case Filter::Compare::equal:
      return a == b;
    case Filter::Compare::unequal:
      return a != b;
    case Filter::Compare::less:
      return a < b;
    case Filter::Compare::at_most:
      return a <= b;
    case Filter::Compare::greater:
      return a > b;
    case Filter::Compare::at_least:
      return a >= b;
    case Filter::Compare::inside:
      break;
  }
  return false;
}

}  // namespace

// expression  = all *("||" all)          all  = one *("&&" one)
// one         = "!" one / "(" expression ")" / comparison
// comparison  = field ("==" / "!=" / "<" / "<=" / ">" / ">=" / "in") value / "lost"
// value       = number / DQUOTE text DQUOTE
class FilterParser {
 public:
  explicit FilterParser(std::string_view text) : text_(text) {}

  Result<Filter> parse() {
    filter_.text_ = text_;
    if (text_.size() > kMaxFilterBytes) {
      return fail(Errc::limit, fmt::format("column {}: a filter has at most {} characters",
                                           kMaxFilterBytes + 1, kMaxFilterBytes));
    }
    const bool is_read = expression(0);
    skip();
    if (is_read && at_ < text_.size())
      complain("this is not expected here; write && or || before it");
    if (error_) return tl::unexpected(*error_);
    return std::move(filter_);
  }

 private:
  using Step = Filter::Step;

  bool complain(std::string_view what) {
    if (!error_) error_ = Error(Errc::invalid, fmt::format("column {}: {}", at_ + 1, what));
    return false;
  }
  void skip() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  bool take(std::string_view token) {
    skip();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  void push(Step step, std::size_t test = 0) { filter_.program_.push_back({step, test}); }

  bool expression(std::size_t depth) {
    if (!all(depth)) return false;
    while (take("||")) {
      if (!all(depth)) return false;
      push(Step::either);
    }
    return true;
  }
  bool all(std::size_t depth) {
    if (!one(depth)) return false;
    while (take("&&")) {
      if (!one(depth)) return false;
      push(Step::both);
    }
    return true;
  }
  bool one(std::size_t depth) {
    skip();
    if (depth > kMaxFilterDepth) {
      return complain(fmt::format("nested more than {} deep", kMaxFilterDepth));
    }
    if (take("!")) {
      if (!one(depth + 1)) return false;
      push(Step::negate);
      return true;
    }
    if (take("(")) {
      return expression(depth + 1) && (take(")") || complain("a \")\" is missing"));
    }
    return comparison();
  }

  bool comparison() {
    const std::size_t start = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    const std::string_view name = text_.substr(start, at_ - start);
    const auto field = parse_field(name);
    if (!field) {
      at_ = start;
      return complain(name.empty()
                          ? "a field is missing; write one like site"
                          : fmt::format("\"{}\" is no field; they are {}", name, field_names()));
    }
    Filter::Test test{*field, Filter::Compare::equal, {}, 0, {}};
    if (type_of(*field) != FieldType::truth && !(compare(test) && value(test))) return false;
    push(Step::test, filter_.tests_.size());
    filter_.tests_.push_back(std::move(test));
    return true;
  }

  bool compare(Filter::Test& test) {
    using Compare = Filter::Compare;
    // The longer ones first.
    constexpr std::array<std::pair<std::string_view, Compare>, 7> kAll{{{"==", Compare::equal},
                                                                        {"!=", Compare::unequal},
                                                                        {"<=", Compare::at_most},
                                                                        {">=", Compare::at_least},
                                                                        {"<", Compare::less},
                                                                        {">", Compare::greater},
                                                                        {"in ", Compare::inside}}};
    skip();
    const std::size_t start = at_;
    const auto found =
        std::find_if(kAll.begin(), kAll.end(), [&](const auto& each) { return take(each.first); });
    if (found == kAll.end())
      return complain("a comparison is missing; write ==, !=, <, <=, >, >= or in");
    test.compare = found->second;
    const bool is_ordered = test.compare != Compare::equal && test.compare != Compare::unequal &&
                            test.compare != Compare::inside;
    const FieldType type = type_of(test.field);
    const bool is_allowed = test.compare == Compare::inside
                                ? type == FieldType::prefix
                                : !is_ordered || type == FieldType::number;
    if (is_allowed) return true;
    at_ = start;
    return complain(test.compare == Compare::inside ? "\"in\" is for prefix; write == here"
                                                    : "this field has no order; write == or !=");
  }

  bool value(Filter::Test& test) {
    skip();
    const std::size_t start = at_;
    if (type_of(test.field) == FieldType::number) {
      while (at_ < text_.size() &&
             (is_word(text_[at_]) || text_[at_] == '.' || text_[at_] == '-')) {
        ++at_;
      }
      const auto number = parse_number<double>(text_.substr(start, at_ - start));
      if (number && *number >= -1e18 && *number <= 1e18) {  // no infinity and no NaN
        test.number = *number;
        return true;
      }
      at_ = start;
      return complain("a number is missing; write one like 50 or 0.5");
    }
    if (!take("\"")) return complain("a text is missing; write it in quotes like \"fra\"");
    const std::size_t end = text_.find('"', at_);
    if (end == std::string_view::npos) {
      at_ = start;
      return complain("a quote does not end");
    }
    test.text = text_.substr(at_, end - at_);
    at_ = end + 1;
    if (type_of(test.field) != FieldType::prefix) return true;
    const auto prefix = Prefix::parse(test.text);
    if (!prefix) {
      at_ = start;
      return complain("this is no prefix; write one like \"192.0.2.0/24\"");
    }
    test.prefix = *prefix;
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Filter filter_;
  std::optional<Error> error_;
};

Result<Filter> Filter::parse(std::string_view text) { return FilterParser(text).parse(); }

bool Filter::holds(const Test& test, const event::Event& event) {
  const FieldValue value = value_of(test.field, event);
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    return compared(test.compare, *text, std::string_view(test.text));
  }
  if (const auto* number = std::get_if<double>(&value)) {
    return compared(test.compare, *number, test.number);
  }
  if (const auto* prefix = std::get_if<Prefix>(&value)) {
    if (test.compare == Compare::inside) return test.prefix.contains(*prefix);
    return (*prefix == test.prefix) == (test.compare == Compare::equal);
  }
  const auto* truth = std::get_if<bool>(&value);
  return truth != nullptr && *truth;
}

// As deep as the parser lets an expression be, and one more per kind of operator on the way.
bool Filter::matches(const event::Event& event) const {
  std::array<bool, 3 * (kMaxFilterDepth + 2)> stack{};
  std::size_t depth = 0;
  for (const Instruction& instruction : program_) {
    switch (instruction.step) {
      case Step::test:
        stack[depth++] = holds(tests_[instruction.test], event);
        break;
      case Step::negate:
        stack[depth - 1] = !stack[depth - 1];
        break;
      case Step::both:
        --depth;
        stack[depth - 1] = stack[depth - 1] && stack[depth];
        break;
      case Step::either:
        --depth;
        stack[depth - 1] = stack[depth - 1] || stack[depth];
        break;
    }
  }
  return stack[0];
}

}  // namespace isochrone::collector
