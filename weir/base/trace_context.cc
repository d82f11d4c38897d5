#include "weir/base/trace_context.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "weir/base/hash.h"

namespace weir {
namespace {

int hex_value(char c) {  // lower case only, as the standard has it
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool read_hex(std::string_view text, std::span<uint8_t> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

void append_hex(std::string& out, std::span<const uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
}

bool is_zero(std::span<const uint8_t> bytes) {
  return std::ranges::all_of(bytes, [](uint8_t b) { return b == 0; });
}

// version "-" trace "-" span "-" flags, and behind those of a later version whatever comes after a "-".
bool read_parent(std::string_view text, TraceContext& into) {
  if (text.size() < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  uint8_t version = 0, flags = 0;
  TraceContext::SpanId parent{};
  if (!read_hex(text.substr(0, 2), {&version, 1}) || version == 0xff) return false;
  if (version == 0 ? text.size() != 55 : text.size() > 55 && text[55] != '-') return false;
  TraceContext::TraceId trace{};
  if (!read_hex(text.substr(3, 32), trace) || !read_hex(text.substr(36, 16), parent) ||
      !read_hex(text.substr(53, 2), {&flags, 1}) || is_zero(trace) || is_zero(parent))
    return false;
  into.trace = trace;
  into.parent = parent;
  into.sampled = (flags & 1) != 0;
  return true;
}

}  // namespace

TraceContext TraceContext::of(HeaderList headers, std::string_view request_id) {
  TraceContext context;
  // 32 bytes that nobody else has: two spans and, for a trace that begins here, its name.
  Sha256 drawn = sha256(request_id);
  std::memcpy(context.request.data(), drawn.data(), context.request.size());
  std::memcpy(context.call.data(), drawn.data() + 8, context.call.size());
  std::memcpy(context.trace.data(), drawn.data() + 16, context.trace.size());
  const Header* parent = find_header(headers, "traceparent");
  bool once = parent && std::ranges::count_if(
                            headers, [](const Header& h) { return iequals(h.name, "traceparent"); }) == 1;
  if (once) read_parent(parent->value, context);
  return context;
}

std::string TraceContext::traceparent() const {
  std::string text = "00-";
  append_hex(text, trace);
  text += '-';
  append_hex(text, call);
  text += sampled ? "-01" : "-00";
  return text;
}

}  // namespace weir
