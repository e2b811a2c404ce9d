// SPDX-License-Identifier: Apache-2.0
//
// Reading a mapping through the schema: what is unknown, twice, missing or malformed is said here.
#include "app/config_section.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>

#include "base/text.h"

namespace isochrone::app {
namespace {

// The items of a fallback as the schema writes lists: "[icmp, tcp]", or one value.
std::vector<std::string_view> items_of(std::string_view fallback) {
  if (fallback.empty()) return {};
  if (!fallback.starts_with('[')) return {fallback};
  auto items = split(fallback.substr(1, fallback.size() - 2), ',');
  std::transform(items.begin(), items.end(), items.begin(), trim);
  return items;
}

}  // namespace

std::string did_you_mean(std::string_view text, std::span<const std::string_view> candidates) {
  const std::string_view nearest = nearest_name(text, candidates);
  return nearest.empty() ? std::string() : fmt::format(" (did you mean \"{}\"?)", nearest);
}

void Unique::check(const std::string& name, Mark mark) {
  const auto [first, is_new] = seen_.emplace(name, mark);
  if (is_new) return;
  section_.complain(mark,
                    fmt::format("{} \"{}\" is there twice; rename or remove one, the first is on "
                                "line {}",
                                what_, name, first->second.line));
}

Section::Section(const ConfigNode* node, std::string path, Complaints& complaints)
    : node_(node), path_(std::move(path)), complaints_(&complaints) {
  if (node_ == nullptr) return;
  if (node_->kind == ConfigNode::Kind::scalar || node_->kind == ConfigNode::Kind::list) {
    complain(node_->mark, path_.empty()
                              ? "not a mapping; write \"node:\" and keys below it, indented"
                              : fmt::format("{} is a section; write its keys below it, "
                                            "indented, each as \"key: value\"",
                                            path_));
    node_ = nullptr;  // nothing below it can be read
    return;
  }
  check_keys();
}

bool Section::is_empty_list(std::string_view name) const {
  const ConfigNode* found = child(name);
  if (found == nullptr) return false;
  // Of a list of values, a key with nothing behind it is complained about when it is read.
  if (found->kind == ConfigNode::Kind::nothing) {
    return find_key(path_of(name))->type == KeyType::section;
  }
  return found->kind == ConfigNode::Kind::list && found->children.empty();
}

Mark Section::mark() const {
  if (node_ == nullptr) return {};
  return node_->key.empty() ? node_->mark : node_->key_mark;
}

Mark Section::mark_of(std::string_view name) const {
  const ConfigNode* found = child(name);
  return found == nullptr ? mark() : found->mark;
}

const ConfigNode* Section::child(std::string_view name) const {
  return node_ == nullptr ? nullptr : node_->find(name);
}

std::string Section::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

void Section::check_keys() const {
  std::map<std::string_view, Mark> seen;
  for (const ConfigNode& node : node_->children) {
    if (find_key(path_of(node.key)) == nullptr) {
      complain_unknown(node);
    } else if (const auto [first, is_new] = seen.emplace(node.key, node.key_mark); !is_new) {
      complain(node.key_mark, fmt::format("duplicate key \"{}\"; keep one, the first is on line {}",
                                          node.key, first->second.line));
    }
  }
  for (const Key& key : config_keys()) {
    if (key.section() != path_ || key.need != Need::required || has(key.name())) continue;
    complain(mark(),
             fmt::format("{} is missing; add \"{}: ...\": {}", key.path, key.name(), key.sentence));
  }
}

void Section::complain_unknown(const ConfigNode& node) const {
  std::vector<std::string_view> here;
  std::string_view elsewhere;
  for (const Key& key : config_keys()) {
    if (key.section() == path_) here.push_back(key.name());
    if (key.name() == node.key) elsewhere = key.path;
  }
  std::string hint = did_you_mean(node.key, here);
  if (hint.empty() && !elsewhere.empty()) hint = fmt::format(" (did you mean \"{}\"?)", elsewhere);
  complain(node.key_mark,
           fmt::format("unknown key \"{}\"; correct or remove it{}", node.key, hint));
}

std::vector<Item<ConfigValue>> Section::read(std::string_view name) const {
  const Key* key = find_key(path_of(name));
  assert(key != nullptr && "a key that is read has a row");
  std::vector<Item<ConfigValue>> items;
  const ConfigNode* node = child(name);
  if (node == nullptr) {
    for (const std::string_view text : items_of(key->fallback)) {
      auto value = parse_value(*key, text);
      assert(value && "a fallback is a valid value");
      items.push_back({std::move(*value), mark()});
    }
  } else if (node->kind == ConfigNode::Kind::list && key->count == Count::many) {
    for (const ConfigNode& item : node->children) read_scalar(*key, item, items);
  } else {
    read_scalar(*key, *node, items);
  }
  return items;
}

void Section::read_scalar(const Key& key, const ConfigNode& node,
                          std::vector<Item<ConfigValue>>& to) const {
  if (node.kind == ConfigNode::Kind::nothing) {
    return complain(node.mark,
                    fmt::format("{} has no value; write one or remove the key", key.path));
  }
  if (node.kind != ConfigNode::Kind::scalar) {
    return complain(
        node.mark,
        fmt::format("{} is a single value, not a {}; write \"{}: value\"", key.path,
                    node.kind == ConfigNode::Kind::list ? "list" : "section", key.name()));
  }
  auto value = parse_value(key, node.text);
  if (!value) return complain(node.mark, fmt::format("{}: {}", key.path, value.error().text()));
  to.push_back({std::move(*value), node.mark});
}

std::filesystem::path Section::path(std::string_view name) const {
  const auto text = one<std::string>(name);
  if (!text) return {};
  return (complaints_->file().parent_path() / *text).lexically_normal();
}

std::filesystem::path Section::file(std::string_view name) const {
  auto found = path(name);
  std::error_code error;
  if (found.empty()) return found;
  if (!std::filesystem::is_regular_file(found, error)) {
    complain(mark_of(name),
             fmt::format("no file {}; put it there or correct the path", found.string()));
  } else if (::access(found.c_str(), R_OK) != 0) {
    complain(mark_of(name),
             fmt::format("cannot read {}; give this user the permission", found.string()));
  }
  return found;
}

Section Section::section(std::string_view name) const {
  return {child(name), path_of(name), *complaints_};
}

std::vector<Section> Section::sections(std::string_view name) const {
  std::vector<Section> all;
  const ConfigNode* node = child(name);
  if (node == nullptr || node->kind == ConfigNode::Kind::nothing) return all;
  if (node->kind != ConfigNode::Kind::list) {
    complain(node->mark, fmt::format("{0} is a list; start each item with \"- \"", path_of(name)));
    return all;
  }
  for (const ConfigNode& item : node->children) {
    all.emplace_back(&item, path_of(name) + "[]", *complaints_);
  }
  return all;
}

}  // namespace isochrone::app
