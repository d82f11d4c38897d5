// For tests and fuzzing: what a set of edits must come to, worked out the slow way, by rewriting the whole
// tree.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <string>

#include "weir/base/json.h"
#include "weir/base/json_write.h"

namespace weir::json {

/// The value written without whitespace and with every key escaped our way; scalars as they stand.
inline void append_canonical(std::string& out, const Value& value) {
  std::string_view separator;
  if (value.type == Type::kObject) {
    out += '{';
    for (const Member& m : members_of(value.raw)) {
      out += separator;
      append_quoted(out, m.key);
      out += ':';
      append_canonical(out, m.value);
      separator = ",";
    }
    out += '}';
  } else if (value.type == Type::kArray) {
    out += '[';
    for (const Value& e : elements_of(value.raw)) {
      out += separator;
      append_canonical(out, e);
      separator = ",";
    }
    out += ']';
  } else {
    out += value.raw;
  }
}

/// Edits a document at random and keeps the book of what should come out.
class EditModel {
 public:
  /// `choose(n)` answers something below n.
  explicit EditModel(std::function<uint32_t(uint32_t)> choose) : choose_(std::move(choose)) {}

  /// Empty when the edited `document` reads as it should; else what went wrong.
  std::string check(const Document& document) {
    Edits edits(document.bytes);
    std::string expected;
    edit(edits, document.root, expected);
    std::string edited = edits.str();
    if (edits.size() != edited.size()) return "size() is not the length of str()";
    for (std::string_view piece : edits.pieces())
      if (piece.empty()) return "an empty piece";
    if (edits.empty() && edited != document.bytes) return "no edits, other bytes";
    PaddedBuffer bytes{std::string_view(edited)};
    Parser parser;
    auto again = parser.parse(bytes.view(), {.depth_max = 1024});
    if (!again) return fmt::format("edited to something refused ({}): {}", again.error().message, edited);
    std::string got;
    append_canonical(got, again->root);
    if (got != expected) return fmt::format("expected {} but got {}", expected, got);
    return {};
  }

 private:
  static constexpr uint32_t kRemove = 0, kReplace = 1, kActions = 6;
  static constexpr int kInsertedMax = 16;  // at one end of a container: a document takes 1,024 members

  std::string fresh() { return fmt::format("weir-new-{}", counter_++); }

  // New members or elements, put in front or behind; `out` gets what they come to, comma by comma.
  void insert(Edits& edits, const Value& container, bool front, std::string& out) {
    bool object = container.type == Type::kObject;
    for (int left = kInsertedMax; left > 0 && choose_(8) >= 6; --left) {
      std::string text;
      append_quoted(text, fresh());
      if (object) text += ":1";
      if (object && front)
        edits.insert_first_member(container.raw, text);
      else if (object)
        edits.append_member(container.raw, text);
      else if (front)
        edits.insert_first_element(container.raw, text);
      else
        edits.append_element(container.raw, text);
      if (out.size() > 1 && out.back() != '{' && out.back() != '[') out += ',';
      out += text;
    }
  }

  // Edits `value` in place and appends what it comes to.
  void edit(Edits& edits, const Value& value, std::string& out) {
    std::string inner;
    if (value.type == Type::kObject) {
      inner += '{';
      insert(edits, value, true, inner);
      for (const Member& m : members_of(value.raw)) {
        std::string text;
        append_quoted(text, m.key);
        text += ':';
        uint32_t action = choose_(kActions);
        if (action == kRemove && choose_(2) == 0)
          edits.remove_member(m);  // before or after the edits inside it
        child(edits, m.value, action, text);
        if (action == kRemove) {
          edits.remove_member(m);
          continue;
        }
        if (inner.size() > 1) inner += ',';
        inner += text;
      }
      insert(edits, value, false, inner);
      inner += '}';
    } else if (value.type == Type::kArray) {
      inner += '[';
      insert(edits, value, true, inner);
      for (const Value& e : elements_of(value.raw)) {
        std::string text;
        uint32_t action = choose_(kActions);
        child(edits, e, action, text);
        if (action == kRemove) {
          edits.remove_element(e);
          continue;
        }
        if (inner.size() > 1) inner += ',';
        inner += text;
      }
      insert(edits, value, false, inner);
      inner += ']';
    } else {
      inner = value.raw;
    }
    out += inner;
  }

  void child(Edits& edits, const Value& value, uint32_t action, std::string& text) {
    if (action != kReplace) return edit(edits, value, text);
    std::string dropped;
    if (choose_(2) == 0) edit(edits, value, dropped);
    edits.replace(value.raw, "\"before\"");
    edits.replace(value.raw, "\"after\"");
    text += "\"after\"";
  }

  std::function<uint32_t(uint32_t)> choose_;
  int counter_ = 0;
};

}  // namespace weir::json
