// The chunked framing, three ways: the decoder on one piece, on random pieces, and byte by byte give one
// verdict and one payload; a second reader, written over whole strings, agrees on what is accepted; and a
// body that we frame from the input itself comes back whole.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "weir/http/h1_codec.h"

namespace {

using weir::http::ChunkedDecoder;
using weir::http::ParseState;

void check(bool ok) {
  if (!ok) std::abort();
}

struct Run {
  ParseState state = ParseState::kIncomplete;
  size_t consumed = 0;
  std::string payload;
  std::string_view what;

  bool operator==(const Run&) const = default;
};

// `seed` 0: one piece; 1: single bytes; else random pieces of up to 16 bytes.
Run run(std::string_view bytes, uint32_t seed) {
  ChunkedDecoder decoder;
  Run r;
  while (r.state == ParseState::kIncomplete && r.consumed < bytes.size()) {
    size_t n = bytes.size() - r.consumed;
    if (seed == 1) n = 1;
    if (seed > 1) {
      seed = (seed * 1664525u + 1013904223u) | 2;
      n = std::min<size_t>(n, 1 + (seed >> 28));
    }
    std::string piece(bytes.substr(r.consumed, n));
    ChunkedDecoder::Step step = decoder.decode({piece.data(), piece.size()});
    check(step.consumed <= n && step.payload <= step.consumed);
    check(step.state != ParseState::kIncomplete || step.consumed == n);
    r.payload.append(piece, 0, step.payload);
    r.consumed += step.consumed;
    r.state = step.state;
    r.what = step.what;
  }
  return r;
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
Reference read_whole(std::string_view s) {
  Reference r;
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
    uint64_t size = std::stoull(std::string(line.substr(0, digits)), nullptr, 16);
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

std::string frame(std::string_view body, uint32_t seed) {
  std::string out;
  while (!body.empty()) {
    seed = seed * 1664525u + 1013904223u;
    size_t n = std::min<size_t>(body.size(), 1 + (seed >> 26));
    static constexpr char kHex[] = "0123456789abcdef";
    std::string size;
    for (size_t v = n; v != 0; v >>= 4)
      size.insert(size.begin(), kHex[v & 15]);
    out += size;
    if (seed & 1) out += ";a=\"b\\\"\"";
    out += "\r\n";
    out += body.substr(0, n);
    out += "\r\n";
    body.remove_prefix(n);
  }
  return out + "0\r\nx: y\r\n\r\n";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  uint32_t seed = static_cast<uint32_t>(data[0]) << 8 | data[1] | 2;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  Run whole = run(bytes, 0);
  check(whole == run(bytes, seed));
  check(whole == run(bytes, 1));
  Reference reference = read_whole(bytes);
  check(reference.complete == (whole.state == ParseState::kComplete));
  if (reference.complete) check(reference.consumed == whole.consumed && reference.payload == whole.payload);

  std::string framed = frame(bytes, seed);
  Run back = run(framed + "next", seed);
  check(back.state == ParseState::kComplete && back.consumed == framed.size() && back.payload == bytes);
  return 0;
}
