#include "weir/base/settings_yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <spanstream>

#include "weir/base/assert.h"

namespace weir {
namespace {

// yaml-cpp's own loader keeps no line for an alias, unfolds nothing and lets the last of two equal keys win;
// its event interface lets us build a tree that does what we need. The parser can be stopped only by an
// exception: ours is YAML's own type, thrown through yaml-cpp and caught in parse_yaml below.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(YamlTree& tree) : tree_(tree) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode& node = add(mark, YamlNode::Kind::kNull);
    anchored(anchor, node);
    finish(mark, node);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_tag(mark, tag);
    YamlNode& node = add(mark, YamlNode::Kind::kScalar);
    node.text = value;
    node.quoted = tag == "!";  // yaml-cpp's mark of every scalar that is not plain
    anchored(anchor, node);
    finish(mark, node);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const YamlNode* target = anchor < anchors_.size() ? anchors_[anchor] : nullptr;
    if (!target) stop(mark, "this alias names an anchor that is not defined before it");
    if (std::ranges::any_of(open_, [&](const Open& o) { return o.node == target; }))
      stop(mark, "an alias cannot stand inside the thing it names");
    finish(mark, *target);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    start(mark, tag, anchor, YamlNode::Kind::kList);
  }
  void OnSequenceEnd() override { end(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    start(mark, tag, anchor, YamlNode::Kind::kMap);
  }
  void OnMapEnd() override { end(); }

  /// Where the innermost list or map that has no end yet starts; nullptr: none is open.
  const YAML::Mark* innermost_open() const { return open_.empty() ? nullptr : &open_.back().mark; }

 private:
  struct Open {
    YamlNode* node;
    const YamlNode* key = nullptr;  // of a map: read, its value still to come
    YAML::Mark mark;
  };

  [[noreturn]] static void stop(const YAML::Mark& mark, const char* message) {
    throw YAML::ParserException(mark, message);
  }

  static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") stop(mark, "YAML tags are not used here");
  }

  YamlNode& add(const YAML::Mark& mark, YamlNode::Kind kind) {
    YamlNode& node = tree_.nodes.emplace_back();
    node.kind = kind;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  void anchored(YAML::anchor_t anchor, const YamlNode& node) {
    if (anchor == 0) return;
    if (anchors_.size() <= anchor) anchors_.resize(anchor + 1);  // yaml-cpp numbers them 1, 2, 3
    anchors_[anchor] = &node;
  }

  void start(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
    refuse_tag(mark, tag);
    if (open_.size() >= size_t{kYamlDepthMax}) stop(mark, "nested too deep (32 levels)");
    YamlNode& node = add(mark, kind);
    anchored(anchor, node);
    open_.push_back({.node = &node, .mark = mark});
  }

  void end() {
    WEIR_ASSERT(!open_.empty());
    Open done = open_.back();
    open_.pop_back();
    finish(done.mark, *done.node);
  }

  // A node is whole: it becomes the root, an item, a key or a value of what is open. An alias comes here with
  // the node it names, so its full size counts again.
  void finish(const YAML::Mark& mark, const YamlNode& node) {
    if (open_.empty()) {
      tree_.root = &node;
      return;
    }
    Open& parent = open_.back();
    parent.node->nodes += node.nodes;
    parent.node->height = std::max(parent.node->height, node.height + 1);
    if (parent.node->nodes > kYamlNodesMax) stop(mark, "too large (100000 nodes, aliases unfolded)");
    if (open_.size() + static_cast<size_t>(node.height) > size_t{kYamlDepthMax} + 1)
      stop(mark, "nested too deep (32 levels)");
    if (parent.node->kind == YamlNode::Kind::kList) {
      parent.node->items.push_back(&node);
    } else if (!parent.key) {
      parent.key = &node;
    } else {
      parent.node->entries.emplace_back(parent.key, &node);
      parent.key = nullptr;
    }
  }

  YamlTree& tree_;
  std::vector<const YamlNode*> anchors_;
  std::vector<Open> open_;
};

// Some of yaml-cpp's messages end in a piece of the text (": name of the anchor"), which may be half a
// secret.
YamlProblem explain(const YAML::Exception& e, std::string_view text, const TreeBuilder& builder) {
  // A bracket that is never closed is noticed at the end of the text, where nobody would look for it.
  if (e.msg.starts_with("end of ") && builder.innermost_open()) {
    const YAML::Mark& open = *builder.innermost_open();
    return {open.line + 1, open.column + 1, "not valid YAML: what starts here has no end"};
  }
  int line = std::max(e.mark.line, 0), column = std::max(e.mark.column, 0);
  // Most mistakes with tabs come out as another complaint somewhere in the line.
  for (int i = 0; i < line; ++i)
    text.remove_prefix(std::min(text.find('\n') + 1, text.size()));
  size_t indent = std::min(text.find_first_not_of(" \t"), text.size());
  if (size_t tab = text.substr(0, indent).find('\t'); tab != std::string_view::npos)
    return {line + 1, static_cast<int>(tab) + 1, "not valid YAML: a tab in the indentation; use spaces"};
  return {line + 1, column + 1, "not valid YAML: " + e.msg.substr(0, e.msg.find(": "))};
}

}  // namespace

std::expected<YamlTree, YamlProblem> parse_yaml(std::string_view text) {
  if (text.size() > kYamlBytesMax) return std::unexpected(YamlProblem{1, 1, "larger than 1 MiB"});
  YamlTree tree;
  TreeBuilder builder(tree);
  std::optional<YamlProblem> problem;
  try {
    std::ispanstream stream(std::span(text.data(), text.size()));
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return std::unexpected(YamlProblem{1, 1, "empty"});
    YamlTree rest;
    TreeBuilder second(rest);
    if (parser.HandleNextDocument(second))
      problem = {rest.root ? rest.root->line : 1, 1, "one document only; this is the start of a second one"};
  } catch (const YAML::Exception& e) {
    problem = explain(e, text, builder);
  } catch (const std::exception&) {
    problem = {1, 1, "not valid YAML"};
  }
  if (problem) return std::unexpected(*std::move(problem));
  if (!tree.root) return std::unexpected(YamlProblem{1, 1, "empty"});
  return tree;
}

}  // namespace weir
