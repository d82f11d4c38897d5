// Reading members of checked JSON objects, for the wires. A member that is null or of another type reads as
// absent: what must be refused is refused by name before (parameters.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "weir/base/json.h"

namespace weir::wire {

/// The members of an object value, looked up by name.
class Fields {
 public:
  explicit Fields(const json::Value& object)
      : members_(object.type == json::Type::kObject ? json::members_of(object.raw) : json::Members()) {}
  explicit Fields(std::string_view object_raw) : members_(json::members_of(object_raw)) {}

  const json::Members& all() const { return members_; }
  /// nullptr: absent or null.
  const json::Value* find(std::string_view key) const {
    const json::Value* v = members_.find(key);
    return v && v->type != json::Type::kNull ? v : nullptr;
  }
  const json::Value* find(std::string_view key, json::Type type) const {
    const json::Value* v = members_.find(key);
    return v && v->type == type ? v : nullptr;
  }
  std::string text(std::string_view key) const {
    const json::Value* v = find(key, json::Type::kString);
    return v ? v->as_string().value_or("") : "";
  }
  /// An object's or array's JSON; empty: absent.
  std::string json(std::string_view key) const {
    const json::Value* v = find(key);
    return v && (v->type == json::Type::kObject || v->type == json::Type::kArray) ? std::string(v->raw) : "";
  }
  std::optional<int64_t> integer(std::string_view key) const {
    const json::Value* v = find(key, json::Type::kNumber);
    return v ? v->as_int() : std::nullopt;
  }
  std::optional<double> number(std::string_view key) const {
    const json::Value* v = find(key, json::Type::kNumber);
    return v ? v->as_double() : std::nullopt;
  }
  std::optional<bool> flag(std::string_view key) const {
    const json::Value* v = find(key, json::Type::kBool);
    return v ? v->as_bool() : std::nullopt;
  }
  bool is(std::string_view key, std::string_view text) const {
    const json::Value* v = members_.find(key);
    return v && v->is_string(text);
  }

 private:
  json::Members members_;
};

/// A text document for who has texts only: its name goes above it.
inline std::string titled(std::string_view name, std::string_view text) {
  std::string out(name);
  if (!out.empty()) out += '\n';
  return out.append(text);
}

/// "data:image/png;base64,AAAA" taken apart; false: no base64 data URL.
inline bool split_data_url(std::string_view url, std::string& media_type, std::string& data) {
  if (!url.starts_with("data:")) return false;
  size_t comma = url.find(',');
  if (comma == std::string_view::npos || !url.substr(0, comma).ends_with(";base64")) return false;
  media_type = url.substr(5, comma - 5 - 7);
  media_type.resize(std::min(media_type.find(';'), media_type.size()));
  data = url.substr(comma + 1);
  return true;
}

}  // namespace weir::wire
