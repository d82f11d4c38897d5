// A YAML text as a small tree that remembers lines and columns; the one place that names yaml-cpp. Bounded:
// 1 MiB of text, 32 levels, 100,000 nodes with every alias counted as what it stands for, so a chain of
// aliases cannot unfold into billions of nodes. Anchors and aliases work; merge keys and tags do not exist
// here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

struct YamlNode {
  enum class Kind : uint8_t { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  int line = 1;    // from 1
  int column = 1;  // from 1
  bool quoted = false;
  std::string text;                                                  // kScalar
  std::vector<const YamlNode*> items;                                // kList
  std::vector<std::pair<const YamlNode*, const YamlNode*>> entries;  // kMap, in file order, duplicates kept
  size_t nodes = 1;                                                  // of this tree, aliases unfolded
  int height = 1;                                                    // levels, aliases unfolded
};

inline constexpr size_t kYamlBytesMax = 1 << 20;
inline constexpr int kYamlDepthMax = 32;
inline constexpr size_t kYamlNodesMax = 100'000;

struct YamlTree {
  std::deque<YamlNode> nodes;      // owns them; a deque does not move its elements
  const YamlNode* root = nullptr;  // never null in a tree that parse_yaml returned
};

struct YamlProblem {
  int line;
  int column;
  std::string message;  // never quotes the text
};

/// Reads exactly one document. Never throws.
std::expected<YamlTree, YamlProblem> parse_yaml(std::string_view text);

}  // namespace weir
