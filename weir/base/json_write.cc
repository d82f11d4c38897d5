#include "weir/base/json_write.h"

#include <simdjson.h>

#include <charconv>
#include <cmath>

#include "weir/base/json_scan.h"
#include "weir/base/utf8.h"

namespace weir::json {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

void append_escape(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    default:
      break;
  }
  constexpr std::string_view kHex = "0123456789abcdef";
  auto code = static_cast<unsigned char>(c);
  out += "\\u00";
  out += kHex[code >> 4];
  out += kHex[code & 15];
}

// Appends bytes that need no escape but are not UTF-8 throughout.
void append_repaired(std::string& out, const char* p, const char* end) {
  const char* run = p;
  while (p < end) {
    int n = utf8_length(p, end);
    if (n > 0) {
      p += n;
      continue;
    }
    out.append(run, p);
    out += kReplacement;
    // One mark for a cut sequence, not one for each of its bytes.
    ++p;
    while (p < end && (static_cast<unsigned char>(*p) & 0xC0) == 0x80)
      ++p;
    run = p;
  }
  out.append(run, end);
}

template <class Number>
void append_chars(std::string& out, Number number) {
  char text[32];
  auto [end, error] = std::to_chars(text, text + sizeof text, number);
  out.append(text, end);
}

}  // namespace

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  const char* p = text.data();
  const char* end = p + text.size();
  while (p < end) {
    bool high = false;
    const char* stop = scan::find_special(p, end, high);
    if (high && !simdjson::validate_utf8(p, static_cast<size_t>(stop - p)))
      append_repaired(out, p, stop);
    else
      out.append(p, stop);
    if (stop == end) break;
    append_escape(out, *stop);
    p = stop + 1;
  }
  out += '"';
}

void append_number(std::string& out, double value) {
  if (std::isfinite(value))
    append_chars(out, value);
  else
    out += "null";
}

void Writer::comma() {
  if (!first_) out_ += ',';
  first_ = false;
}

Writer& Writer::open(char bracket) {
  comma();
  out_ += bracket;
  first_ = true;
  return *this;
}

Writer& Writer::close(char bracket) {
  out_ += bracket;
  first_ = false;
  return *this;
}

Writer& Writer::key(std::string_view name) {
  comma();
  append_quoted(out_, name);
  out_ += ':';
  first_ = true;
  return *this;
}

Writer& Writer::value(std::string_view text) {
  comma();
  append_quoted(out_, text);
  return *this;
}

Writer& Writer::value(bool flag) {
  return raw(flag ? "true" : "false");
}

Writer& Writer::value(double number) {
  comma();
  append_number(out_, number);
  return *this;
}

Writer& Writer::null() {
  return raw("null");
}

Writer& Writer::raw(std::string_view json) {
  comma();
  out_ += json;
  return *this;
}

Writer& Writer::integer(int64_t number) {
  comma();
  append_chars(out_, number);
  return *this;
}

Writer& Writer::unsigned_integer(uint64_t number) {
  comma();
  append_chars(out_, number);
  return *this;
}

}  // namespace weir::json
