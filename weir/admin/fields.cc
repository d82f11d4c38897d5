#include "weir/admin/fields.h"

#include <algorithm>

#include "weir/base/money.h"

namespace weir::admin {
namespace {

bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

}  // namespace

Fields::Fields(std::string_view object_raw, std::string prefix)
    : members_(json::members_of(object_raw)), taken_(members_.size()), prefix_(std::move(prefix)) {}

const json::Value* Fields::take(std::string_view key) {
  for (size_t i = 0; i < members_.size(); ++i)
    if (members_[i].key == key) {
      taken_[i] = true;
      return &members_[i].value;
    }
  return nullptr;
}

void Fields::fault(std::string_view key, const std::string& sentence, ErrorCode code,
                   std::string_view reason) {
  if (!first_) first_ = make_error(code, "'" + path(key) + "' " + sentence, path(key), std::string(reason));
}

void Fields::read(std::string_view key, std::string& out, size_t min, size_t max) {
  const json::Value* value = take(key);
  if (!value) return;
  std::optional<std::string> text = value->as_string();
  if (!text || text->size() < min || text->size() > max || !is_plain(*text))
    return fault(key, "must be a text of " + std::to_string(min) + " to " + std::to_string(max) +
                          " bytes without control characters");
  out = *std::move(text);
}

void Fields::read(std::string_view key, std::optional<std::string>& out, size_t min, size_t max) {
  const json::Value* value = take(key);
  if (!value) return;
  if (value->type == json::Type::kNull) return out.reset();
  std::string text;
  read(key, text, min, max);
  out = std::move(text);
}

void Fields::read(std::string_view key, int64_t& out, int64_t min, int64_t max) {
  const json::Value* value = take(key);
  if (!value) return;
  std::optional<int64_t> number = value->as_int();
  if (!number || *number < min || *number > max)
    return fault(key, "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max));
  out = *number;
}

void Fields::read(std::string_view key, std::optional<int64_t>& out, int64_t min, int64_t max) {
  const json::Value* value = take(key);
  if (!value) return;
  if (value->type == json::Type::kNull) return out.reset();
  int64_t number = min;
  read(key, number, min, max);
  out = number;
}

void Fields::read(std::string_view key, bool& out) {
  const json::Value* value = take(key);
  if (!value) return;
  std::optional<bool> flag = value->as_bool();
  if (!flag) return fault(key, "must be true or false");
  out = *flag;
}

void Fields::read(std::string_view key, std::vector<std::string>& out, size_t entries_max) {
  const json::Value* value = take(key);
  if (!value) return;
  std::vector<std::string> texts;
  bool good = value->type == json::Type::kArray;
  if (good)
    for (const json::Value& element : json::elements_of(value->raw)) {
      std::optional<std::string> text = element.as_string();
      good = good && text && !text->empty() && text->size() <= 200 && is_plain(*text) &&
             texts.size() < entries_max && std::ranges::find(texts, *text) == texts.end();
      if (!good) break;
      texts.push_back(*std::move(text));
    }
  if (!good)
    return fault(key, "must be a list of at most " + std::to_string(entries_max) +
                          " different texts of 1 to 200 bytes");
  out = std::move(texts);
}

void Fields::read_dollars(std::string_view key, std::optional<int64_t>& nanodollars) {
  const json::Value* value = take(key);
  if (!value) return;
  if (value->type == json::Type::kNull) return nanodollars.reset();
  std::optional<std::string> text = value->as_string();
  std::optional<int64_t> amount = text ? nanodollars_of(*text) : std::nullopt;
  if (!amount || *amount < 0) return fault(key, "must be dollars as a text, like \"12.50\"");
  nanodollars = amount;
}

void Fields::refuse(std::initializer_list<std::string_view> keys) {
  for (std::string_view key : keys)
    if (take(key)) fault(key, "can not be set", ErrorCode::kPermissionDenied, "protected_field");
}

void Fields::require(std::string_view key) {
  if (!has(key)) fault(key, "is missing", ErrorCode::kInvalidRequest, "missing_required_parameter");
}

Result<void> Fields::end() {
  if (first_) return Unexpected(*std::move(first_));
  for (size_t i = 0; i < members_.size(); ++i)
    if (!taken_[i])
      return fail(ErrorCode::kInvalidRequest, "Unknown parameter: '" + path(members_[i].key) + "'.",
                  path(members_[i].key), "unknown_parameter");
  return {};
}

}  // namespace weir::admin
