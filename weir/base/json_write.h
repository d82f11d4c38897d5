// JSON written: escaping of one string, and a small writer for answers, logs and events. Appends to a string
// the caller owns and reuses; allocates nothing else. Invalid UTF-8 is written as U+FFFD: what leaves is
// always valid JSON. Values; thread-safe as values are.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::json {

/// Appends `text` as a JSON string, quotes included. Invalid UTF-8 becomes U+FFFD, one for each bad sequence.
void append_quoted(std::string& out, std::string_view text);

/// Appends the shortest decimal that reads back as `value`; null for infinities and NaN, which JSON lacks.
void append_number(std::string& out, double value);

/// Writes one document, commas included. Requires calls in an order that makes sense: key before value inside
/// an object, begin and end in pairs.
///   Writer(out).begin_object().member("id", id).key("usage").begin_object()...end_object().end_object();
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  Writer& begin_object() { return open('{'); }
  Writer& end_object() { return close('}'); }
  Writer& begin_array() { return open('['); }
  Writer& end_array() { return close(']'); }
  Writer& key(std::string_view name);

  Writer& value(std::string_view text);
  Writer& value(const char* text) { return value(std::string_view(text)); }
  Writer& value(const std::string& text) { return value(std::string_view(text)); }
  Writer& value(bool flag);
  Writer& value(double number);
  Writer& value(std::signed_integral auto number) { return integer(static_cast<int64_t>(number)); }
  Writer& value(std::unsigned_integral auto number)
    requires(!std::same_as<decltype(number), bool>)
  {
    return unsigned_integer(static_cast<uint64_t>(number));
  }
  Writer& null();
  /// A value that is JSON already.
  Writer& raw(std::string_view json);

  template <class T>
  Writer& member(std::string_view name, const T& v) {
    return key(name).value(v);
  }

 private:
  void comma();
  Writer& open(char bracket);
  Writer& close(char bracket);
  Writer& integer(int64_t number);
  Writer& unsigned_integer(uint64_t number);

  std::string& out_;
  bool first_ = true;  // nothing written yet at this level, or a key is waiting for its value
};

}  // namespace weir::json
