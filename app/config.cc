// SPDX-License-Identifier: Apache-2.0
//
// The one door to yaml-cpp: its events become a ConfigNode tree, its exceptions complaints.
#include "app/config.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

#include "app/config_build.h"

namespace isochrone::app {
namespace {

Mark mark_of(const YAML::Mark& mark) {
  return mark.is_null() ? Mark{} : Mark{mark.line + 1, mark.column + 1};
}

// Builds the tree from events. What lies deeper than the limit, and what an alias stands for, is
// never built, so the tree cannot outgrow the file.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Complaints& complaints) : complaints_(complaints) {}

  ConfigNode take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
    complaints_.add(mark_of(mark), fmt::format("anchor \"&{}\"; write the value out, anchors and "
                                               "aliases are not used here",
                                               name));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    complaints_.add(mark_of(mark),
                    "alias; write the value out, anchors and aliases are not used here");
    place(ConfigNode::Kind::nothing, mark);
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    place(ConfigNode::Kind::nothing, mark);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    refuse_tag(mark, tag);
    place(ConfigNode::Kind::scalar, mark, value);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    refuse_tag(mark, tag);
    enter(ConfigNode::Kind::list, mark);
  }
  void OnSequenceEnd() override { leave(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    refuse_tag(mark, tag);
    enter(ConfigNode::Kind::map, mark);
  }
  void OnMapEnd() override { leave(); }

 private:
  // yaml-cpp gives "?" to what has no tag and "!" to what is quoted.
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    complaints_.add(mark_of(mark),
                    fmt::format("tag \"{}\"; remove it, tags are not used here", tag));
  }

  void enter(ConfigNode::Kind kind, const YAML::Mark& mark) {
    if (too_deep_ > 0 || static_cast<int>(open_.size()) >= kMaxConfigDepth) {
      if (too_deep_++ == 0) {
        complaints_.add(mark_of(mark), fmt::format("nested more than {} deep; no key lies so deep",
                                                   kMaxConfigDepth));
      }
      return;
    }
    // Addresses of open nodes stay valid: only the innermost one grows.
    if (ConfigNode* node = place(kind, mark)) open_.push_back({node, std::nullopt});
  }
  void leave() {
    if (too_deep_ > 0) {
      if (--too_deep_ == 0) place(ConfigNode::Kind::nothing, YAML::Mark());
      return;
    }
    if (!open_.empty()) open_.pop_back();
  }

  // A value in its place, or null when it was the key of a map.
  ConfigNode* place(ConfigNode::Kind kind, const YAML::Mark& mark, const std::string& text = {}) {
    if (too_deep_ > 0) return nullptr;
    if (open_.empty()) {
      root_ = {kind, mark_of(mark), text, {}, {}, {}};
      return &root_;
    }
    Open& parent = open_.back();
    if (parent.node->kind == ConfigNode::Kind::map && !parent.key) {
      if (kind != ConfigNode::Kind::scalar) {
        complaints_.add(mark_of(mark), "a key that is not a word; keys are single words");
      }
      parent.key = {text, mark_of(mark)};
      // A list or map as a key is walked like any other, into a node nobody reads.
      if (kind == ConfigNode::Kind::scalar || kind == ConfigNode::Kind::nothing) return nullptr;
      unread_.push_back(
          std::make_unique<ConfigNode>(ConfigNode{kind, mark_of(mark), {}, {}, {}, {}}));
      return unread_.back().get();
    }
    const Key key = parent.key.value_or(Key{});
    parent.key.reset();
    auto& children = parent.node->children;
    children.push_back({kind, mark_of(mark), text, key.text, key.mark, {}});
    return &children.back();
  }

  struct Key {
    std::string text;
    Mark mark;
  };
  struct Open {
    ConfigNode* node;
    std::optional<Key> key;  // read, its value not yet
  };

  Complaints& complaints_;
  ConfigNode root_;
  std::vector<Open> open_;
  std::vector<std::unique_ptr<ConfigNode>> unread_;
  int too_deep_ = 0;
};

}  // namespace

std::vector<Error> Complaints::errors() const {
  auto sorted = all_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Error> errors;
  for (const auto& [mark, what] : sorted) {
    if (errors.size() == kMostShown) {
      errors.emplace_back(Errc::invalid, fmt::format("{}: and {} more", file_.string(),
                                                     sorted.size() - kMostShown));
      break;
    }
    errors.emplace_back(Errc::invalid,
                        fmt::format("{}:{}:{}: {}", file_.string(), mark.line, mark.column, what));
  }
  return errors;
}

ConfigNode parse_tree(std::string_view text, Complaints& complaints) {
  TreeBuilder builder(complaints);
  std::istringstream stream{std::string(text)};
  try {
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    ConfigNode tree = builder.take();
    Complaints ignored(complaints.file());
    TreeBuilder rest(ignored);
    if (parser.HandleNextDocument(rest)) {
      complaints.add(rest.take().mark, "a second document; keep one per file, remove the \"---\"");
    }
    return tree;
  } catch (const YAML::Exception& error) {
    complaints.add(mark_of(error.mark), fmt::format("not YAML: {}; check indentation, colons and "
                                                    "quotes here and just above",
                                                    error.msg));
    return {};
  }
}

ConfigResult parse_config(std::string_view text, const std::filesystem::path& file) {
  Complaints complaints(file);
  if (text.size() > kMaxConfigBytes) {
    complaints.add(
        {}, fmt::format("{} bytes; a configuration has at most {}", text.size(), kMaxConfigBytes));
  } else if (text.find('\0') != std::string_view::npos) {
    complaints.add({}, "contains a zero byte; this is not a text file");
  } else {
    const ConfigNode tree = parse_tree(text, complaints);
    // A tree that is not what the author meant would only give misleading complaints.
    if (complaints.empty()) {
      Config config = build_config(tree, complaints);
      if (complaints.empty()) return config;
    }
  }
  return tl::unexpected(complaints.errors());
}

tl::expected<std::string, std::vector<Error>> read_config(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text;
  if (stream) {
    // One byte over the limit is enough to be refused; a device file would never end.
    text.resize(kMaxConfigBytes + 1);
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(stream.gcount()));
  }
  if (!stream.eof() && text.size() <= kMaxConfigBytes) {
    const int error_number = errno;
    return tl::unexpected(
        std::vector<Error>{fail_errno("cannot read " + file.string(), error_number).value()});
  }
  return text;
}

ConfigResult load_config(const std::filesystem::path& file) {
  const auto text = read_config(file);
  if (!text) return tl::unexpected(text.error());
  return parse_config(*text, file);
}

ConfigResult parse_config_of(std::string_view text, const std::filesystem::path& candidate,
                             const std::filesystem::path& place) {
  auto config = parse_config(text, place);
  if (config) return config;
  // Errors are where the text is read from.
  std::vector<Error> errors;
  for (const Error& error : config.error()) {
    const std::string& said = error.text();
    const bool names_place = said.starts_with(place.string());
    errors.emplace_back(
        error.code(), names_place ? candidate.string() + said.substr(place.string().size()) : said);
  }
  return tl::unexpected(std::move(errors));
}

}  // namespace isochrone::app
