// Reading the values of a checked document, and the frames of model servers, which nobody checked: every scan
// is bounded by its own bytes.
#include <algorithm>
#include <charconv>
#include <cstring>
#include <new>

#include "weir/base/json.h"
#include "weir/base/json_scan.h"

namespace weir::json {

using scan::equals_unescaped;
using scan::has_escape;
using scan::is_digit;
using scan::is_space;
using scan::skip_space;
using scan::unescape;

namespace {

// Behind the closing quote of the string at p (its opening quote), or null when it does not end.
const char* skip_string(const char* p, const char* end) {
  bool high = false;
  for (++p; p < end;) {
    p = scan::find_special(p, end, high);
    if (p == end) return nullptr;
    if (*p == '"') return p + 1;
    p += *p == '\\' ? 2 : 1;
  }
  return nullptr;
}

const char* skip_container(const char* p, const char* end) {
  size_t depth = 0;
  while (p < end) {
    switch (*p) {
      case '"':
        p = skip_string(p, end);
        if (!p) return nullptr;
        continue;
      case '{':
      case '[':
        ++depth;
        break;
      case '}':
      case ']':
        if (--depth == 0) return p + 1;
        break;
      default:
        break;
    }
    ++p;
  }
  return nullptr;
}

// The value at p, or null when there is nothing that looks like one.
const char* skip_value(const char* p, const char* end, Value& out) {
  if (p >= end) return nullptr;
  const char* first = p;
  switch (*p) {
    case '"':
      out.type = Type::kString;
      p = skip_string(p, end);
      break;
    case '{':
      out.type = Type::kObject;
      p = skip_container(p, end);
      break;
    case '[':
      out.type = Type::kArray;
      p = skip_container(p, end);
      break;
    default:
      while (p < end && *p != ',' && *p != '}' && *p != ']' && !is_space(*p))
        ++p;
      std::string_view text(first, static_cast<size_t>(p - first));
      if (text == "true" || text == "false") {
        out.type = Type::kBool;
      } else if (text == "null") {
        out.type = Type::kNull;
      } else if (!text.empty() && (text[0] == '-' || is_digit(text[0]))) {
        out.type = Type::kNumber;
      } else {
        return nullptr;
      }
  }
  if (p) out.raw = {first, static_cast<size_t>(p - first)};
  return p;
}

// Calls visit(bytes between the key's quotes, value) for each member until it returns false.
template <class Visit>
void each_member(std::string_view object, Visit visit) {
  const char* p = object.data();
  const char* end = p + object.size();
  p = skip_space(p, end);
  if (p == end || *p != '{') return;
  p = skip_space(p + 1, end);
  while (p < end && *p == '"') {
    const char* key = p + 1;
    p = skip_string(p, end);
    if (!p) return;
    std::string_view inside(key, static_cast<size_t>(p - key) - 1);
    p = skip_space(p, end);
    if (p == end || *p != ':') return;
    Value value;
    p = skip_value(skip_space(p + 1, end), end, value);
    if (!p || !visit(inside, value)) return;
    p = skip_space(p, end);
    if (p == end || *p != ',') return;
    p = skip_space(p + 1, end);
  }
}

size_t offset_in(std::string_view whole, const char* p) {
  return static_cast<size_t>(p - whole.data());
}

}  // namespace

void PaddedBuffer::reserve(size_t n) {
  if (n <= capacity_ && data_) return;
  void* grown = std::realloc(data_, n + kPadding);
  if (!grown) throw std::bad_alloc();
  data_ = static_cast<char*>(grown);
  capacity_ = n;
  std::memset(data_ + n, 0, kPadding);
}

void PaddedBuffer::append(std::string_view bytes) {
  if (bytes.empty()) return;
  if (bytes.size() > capacity_ - size_) reserve(std::max(size_ + bytes.size(), capacity_ * 2));
  std::memcpy(data_ + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

void PaddedBuffer::resize_uninitialized(size_t n) {
  if (n > capacity_) reserve(std::max(n, capacity_ * 2));
  size_ = n;
}

void PaddedBuffer::release() {
  std::free(data_);
  data_ = nullptr;
  size_ = capacity_ = 0;
}

std::string_view name(Type type) {
  static constexpr std::string_view kNames[] = {"null", "boolean", "number", "string", "array", "object"};
  return kNames[static_cast<size_t>(type)];
}

namespace {

std::string_view between_quotes(std::string_view raw) {
  return raw.size() < 2 ? std::string_view() : raw.substr(1, raw.size() - 2);
}

template <class T>
std::optional<T> whole_number(const Value& value) {
  if (value.type != Type::kNumber) return std::nullopt;
  T number{};
  const char* end = value.raw.data() + value.raw.size();
  auto [stop, error] = std::from_chars(value.raw.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

}  // namespace

std::optional<int64_t> Value::as_int() const {
  return whole_number<int64_t>(*this);
}

std::optional<double> Value::as_double() const {
  return whole_number<double>(*this);
}

std::optional<bool> Value::as_bool() const {
  if (type != Type::kBool) return std::nullopt;
  return raw == "true";
}

std::optional<std::string> Value::as_string() const {
  std::string text;
  if (!append_string_to(text)) return std::nullopt;
  return text;
}

std::optional<std::string_view> Value::as_plain_string() const {
  if (type != Type::kString || has_escape(between_quotes(raw))) return std::nullopt;
  return between_quotes(raw);
}

bool Value::append_string_to(std::string& out) const {
  if (type != Type::kString) return false;
  std::string_view inside = between_quotes(raw);
  if (!has_escape(inside)) {
    out.append(inside);
    return true;
  }
  size_t before = out.size();
  out.resize(before + inside.size());
  out.resize(before + unescape(inside, out.data() + before));
  return true;
}

bool Value::is_string(std::string_view text) const {
  return type == Type::kString && equals_unescaped(between_quotes(raw), text);
}

namespace {

const Member* member_named(const std::vector<Member>& members, std::string_view key) {
  for (const Member& m : members)
    if (m.key == key) return &m;
  return nullptr;
}

}  // namespace

const Member* Document::member(std::string_view key) const {
  return member_named(members, key);
}
const Value* Document::find(std::string_view key) const {
  const Member* m = member(key);
  return m ? &m->value : nullptr;
}
const Member* Members::member(std::string_view key) const {
  return member_named(items_, key);
}
const Value* Members::find(std::string_view key) const {
  const Member* m = member(key);
  return m ? &m->value : nullptr;
}

Members members_of(std::string_view object_raw) {
  Members members;
  size_t used = 0;
  each_member(object_raw, [&](std::string_view inside, const Value& value) {
    size_t begin = offset_in(object_raw, inside.data()) - 1;
    size_t end = offset_in(object_raw, value.raw.data()) + value.raw.size();
    std::string_view key = inside;
    if (has_escape(inside)) {
      if (!members.unescaped_keys_)
        members.unescaped_keys_ = std::make_unique_for_overwrite<char[]>(object_raw.size());
      char* out = members.unescaped_keys_.get() + used;
      key = {out, unescape(inside, out)};
      used += key.size();
    }
    members.items_.push_back({key, value, begin, end});
    return true;
  });
  return members;
}

std::vector<Value> elements_of(std::string_view array_raw) {
  std::vector<Value> elements;
  const char* p = array_raw.data();
  const char* end = p + array_raw.size();
  p = skip_space(p, end);
  if (p == end || *p != '[') return elements;
  p = skip_space(p + 1, end);
  Value value;
  while (p < end && *p != ']' && (p = skip_value(p, end, value))) {
    elements.push_back(value);
    p = skip_space(p, end);
    if (p == end || *p != ',') break;
    p = skip_space(p + 1, end);
  }
  return elements;
}

std::optional<Value> find_in(std::string_view object_raw, std::string_view key) {
  std::optional<Value> found;
  each_member(object_raw, [&](std::string_view inside, const Value& value) {
    if (!equals_unescaped(inside, key)) return true;
    found = value;
    return false;
  });
  return found;
}

}  // namespace weir::json
