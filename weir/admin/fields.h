// Fields: the members of one JSON object of a request, each taken by name and kind. What nobody took is
// refused at the end, so a misspelt field is never ignored; the first error is kept and the rest are passed
// over, so a handler reads straight on:
//   Fields fields(document);
//   fields.read("name", name, 1, 200);
//   TRY_VOID(fields.end());
// Borrows the document. A value.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/json.h"
#include "weir/base/result.h"

namespace weir::admin {

class Fields {
 public:
  explicit Fields(const json::Document& object) : Fields(object.root.raw, "") {}
  /// Of an object inside: messages name its members "limits.streams".
  Fields(std::string_view object_raw, std::string prefix);

  bool has(std::string_view key) const { return members_.find(key) != nullptr; }
  /// Takes the member; nullptr: it is not there. For values that the calls below do not know.
  const json::Value* take(std::string_view key);

  // Each leaves `out` alone where the member is not there, and takes null for "none" where out is optional.
  void read(std::string_view key, std::string& out, size_t min, size_t max);  // bytes, no control characters
  void read(std::string_view key, std::optional<std::string>& out, size_t min, size_t max);
  void read(std::string_view key, int64_t& out, int64_t min, int64_t max);
  void read(std::string_view key, std::optional<int64_t>& out, int64_t min, int64_t max);
  void read(std::string_view key, bool& out);
  void read(std::string_view key, std::vector<std::string>& out, size_t entries_max);  // of 1 to 200 bytes
  /// "12.50": dollars as a text.
  void read_dollars(std::string_view key, std::optional<int64_t>& nanodollars);

  /// Fields that exist and that no caller may set: 403.
  void refuse(std::initializer_list<std::string_view> keys);
  void require(std::string_view key);
  void fault(std::string_view key, const std::string& sentence, ErrorCode code = ErrorCode::kInvalidRequest,
             std::string_view reason = "invalid_value");

  /// What went wrong in an object inside.
  void adopt(Result<void> inside) {
    if (!inside && !first_) first_ = std::move(inside).error();
  }

  /// What went wrong first, or the first member that nobody took.
  Result<void> end();

 private:
  std::string path(std::string_view key) const { return prefix_ + std::string(key); }

  json::Members members_;
  std::vector<bool> taken_;
  std::string prefix_;
  std::optional<Error> first_;
};

}  // namespace weir::admin
