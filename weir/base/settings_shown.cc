#include "weir/base/settings_shown.h"

#include <algorithm>

#include "weir/base/json_write.h"
#include "weir/base/settings.h"

namespace weir {
namespace {

constexpr std::string_view kMask = "\"***\"";

const SettingsKey* row(std::string_view section, std::string_view key) {
  for (const SettingsKey& k : settings_keys())
    if (k.section == section && k.key == key) return &k;
  return nullptr;
}

bool is_reference(std::string_view text) {
  return (text.starts_with("${env:") || text.starts_with("${file:")) && text.ends_with('}') &&
         std::ranges::count(text, '$') == 1;
}

bool is_plain(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == '/';
  }) && text.front() != '-';
}

class Writer {
 public:
  std::string text;

  // The entries of a section, or of one entry of a list (then the first stands behind its dash).
  void entries(const YamlNode& map, const std::string& section, size_t indent, bool after_dash) {
    for (const auto& [key, value] : map.entries) {
      if (!after_dash) text.append(indent, ' ');
      after_dash = false;
      const SettingsKey* known = row(section, key->text);
      scalar(key->text, key->quoted);
      text += ':';
      member(*value, known, section.empty() ? key->text : section + "." + key->text, indent);
    }
    if (map.entries.empty()) text += after_dash ? "{}\n" : "";
  }

 private:
  void member(const YamlNode& value, const SettingsKey* known, const std::string& section, size_t indent) {
    bool map = known && known->type == SettingsKey::Type::kMap;
    switch (value.kind) {
      case YamlNode::Kind::kNull:
        text += '\n';
        return;
      case YamlNode::Kind::kScalar:
        text += ' ';
        leaf(value, known);
        return;
      case YamlNode::Kind::kList:
        text += value.items.empty() ? " []\n" : "\n";
        for (const YamlNode* item : value.items) {
          text.append(indent + 2, ' ');
          text += "- ";
          if (item->kind == YamlNode::Kind::kMap)
            entries(*item, section, indent + 4, true);
          else
            leaf(*item, known);
        }
        return;
      case YamlNode::Kind::kMap:
        text += value.entries.empty() ? " {}\n" : "\n";
        if (!map) return entries(value, section, indent + 2, false);
        for (const auto& [key, inner] : value.entries) {  // headers, features: only switches are shown
          text.append(indent + 2, ' ');
          scalar(key->text, key->quoted);
          text += ": ";
          bool shown = !inner->quoted && (inner->text == "true" || inner->text == "false");
          if (shown || is_reference(inner->text))
            scalar(inner->text, inner->quoted);
          else
            text += kMask;
          text += '\n';
        }
    }
  }
  void leaf(const YamlNode& value, const SettingsKey* known) {
    bool shown = known && known->type != SettingsKey::Type::kSecret &&
                 known->type != SettingsKey::Type::kSection && known->type != SettingsKey::Type::kMap &&
                 value.kind == YamlNode::Kind::kScalar;
    if (shown || is_reference(value.text))
      scalar(value.text, value.quoted);
    else
      text += kMask;
    text += '\n';
  }
  void scalar(const std::string& value, bool quoted) {
    if (!quoted && is_plain(value))
      text += value;
    else
      json::append_quoted(text, value);  // YAML's double quotes are JSON's
  }
};

}  // namespace

std::string shown_settings(const YamlNode& root) {
  Writer writer;
  if (root.kind == YamlNode::Kind::kMap) writer.entries(root, "", 0, false);
  return std::move(writer.text);
}

}  // namespace weir
