// The chunked framing, three ways: the decoder on one piece, on drawn pieces, and byte by byte give one
// verdict and one payload; a second reader, written over whole strings, agrees on what is accepted; and a
// body that we frame from the input itself comes back whole.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/pieces.h"
#include "weir/http/h1_codec.h"

namespace {

using weir::fuzz::Cage;
using weir::fuzz::check;
using weir::fuzz::Cuts;
using weir::http::ChunkedDecoder;
using weir::http::ParseState;

struct Run {
  ParseState state = ParseState::kIncomplete;
  size_t consumed = 0;
  std::string payload;
  std::string_view what;

  bool operator==(const Run&) const = default;
};

void run(std::string_view bytes, Cuts::Kind kind, Run& r) {
  static Cage cage;
  ChunkedDecoder decoder;
  Cuts cuts(kind, bytes);
  r.state = ParseState::kIncomplete;
  r.consumed = 0;
  r.payload.clear();
  r.what = {};
  while (r.state == ParseState::kIncomplete && r.consumed < bytes.size()) {
    size_t n = cuts.next(bytes.size() - r.consumed);
    std::span<char> piece = cage.put(bytes.substr(r.consumed, n));
    ChunkedDecoder::Step step = decoder.decode(piece);
    check(step.consumed <= n && step.payload <= step.consumed);
    check(step.state != ParseState::kIncomplete || step.consumed == n);
    r.payload.append(piece.data(), step.payload);
    r.consumed += step.consumed;
    r.state = step.state;
    r.what = step.what;
  }
}

bool is_token(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (c != 0 && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}
bool is_value(char c) {
  return (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) || c == '\t';
}

// Extensions after the RFC's grammar without optional whitespace, over the whole text between size and CRLF.
bool valid_extensions(std::string_view s) {
  if (s.size() > 256 + 1) return false;  // the first ';' is not counted
  size_t i = 0;
  while (i < s.size()) {
    if (s[i++] != ';') return false;
    size_t name = i;
    while (i < s.size() && is_token(s[i]))
      ++i;
    if (i == name) return false;
    if (i == s.size() || s[i] != '=') continue;
    ++i;
    if (i < s.size() && s[i] == '"') {
      ++i;
      for (;; ++i) {
        if (i == s.size()) return false;
        if (s[i] == '\\' && ++i == s.size())
          return false;
        else if (s[i] == '"' && s[i - 1] != '\\')
          break;
        else if (s[i] == '"') {  // escaped only by an odd run of backslashes
          size_t run = 0;
          while (s[i - 1 - run] == '\\')
            ++run;
          if (run % 2 == 0) break;
        }
        if (!is_value(s[i])) return false;
      }
      ++i;
    } else {
      size_t value = i;
      while (i < s.size() && is_token(s[i]))
        ++i;
      if (i == value) return false;
    }
  }
  return true;
}

struct Reference {
  bool complete = false;
  size_t consumed = 0;
  std::string payload;
};

// Accepts or does not; nothing else. A line is cut at its CRLF first, then judged.
const Reference& read_whole(std::string_view s) {
  static Reference r;
  r.complete = false;
  r.consumed = 0;
  r.payload.clear();
  size_t extensions = 0;
  size_t at = 0;
  auto cut_line = [&](std::string_view& line) {
    size_t end = s.find("\r\n", at);
    if (end == std::string_view::npos) return false;
    line = s.substr(at, end - at);
    at = end + 2;
    return true;
  };
  for (;;) {
    std::string_view line;
    if (!cut_line(line)) return r;
    size_t digits = std::min(line.find_first_not_of("0123456789abcdefABCDEF"), line.size());
    if (digits == 0 || digits > 16 || !valid_extensions(line.substr(digits))) return r;
    if (line.size() > digits) extensions += line.size() - digits - 1;
    if (extensions > 16 * 1024 + r.payload.size()) return r;
    uint64_t size = 0;
    std::from_chars(line.data(), line.data() + digits, size, 16);
    if (size >> 63 != 0) return r;
    if (size == 0) break;
    if (s.size() - at < size || s.size() - at - size < 2 || s.substr(at + size, 2) != "\r\n") return r;
    r.payload += s.substr(at, size);
    at += size + 2;
  }
  size_t trailers = at;
  for (;;) {
    std::string_view line;
    if (!cut_line(line) || at - trailers > 8192) return r;
    if (line.empty()) break;
    size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return r;
    if (!std::ranges::all_of(line.substr(0, colon), is_token)) return r;
    if (!std::ranges::all_of(line.substr(colon + 1), is_value)) return r;
  }
  r.complete = true;
  r.consumed = at;
  return r;
}

void frame(std::string_view body, std::string& out) {
  out.clear();
  Cuts cuts(Cuts::Kind::kDrawn, body);
  while (!body.empty()) {
    size_t n = cuts.next(body.size());
    char hex[16];
    out.append(hex, std::to_chars(hex, hex + sizeof hex, n, 16).ptr);
    if (n & 1) out += ";a=\"b\\\"\"";
    out += "\r\n";
    out += body.substr(0, n);
    out += "\r\n";
    body.remove_prefix(n);
  }
  out += "0\r\nx: y\r\n\r\n";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Run whole, other;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  run(bytes, Cuts::Kind::kWhole, whole);
  run(bytes, Cuts::Kind::kDrawn, other);
  check(whole == other);
  if (weir::fuzz::worth_byte_by_byte(bytes)) {
    run(bytes, Cuts::Kind::kBytes, other);
    check(whole == other);
  }
  const Reference& reference = read_whole(bytes);
  check(reference.complete == (whole.state == ParseState::kComplete));
  if (reference.complete) check(reference.consumed == whole.consumed && reference.payload == whole.payload);

  static std::string framed;
  frame(bytes, framed);
  size_t length = framed.size();
  framed += "next";
  run(framed, Cuts::Kind::kDrawn, other);
  check(other.state == ParseState::kComplete && other.consumed == length && other.payload == bytes);
  return 0;
}
