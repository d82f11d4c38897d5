// The head of an answer: one piece, random splits and byte by byte must give one verdict and one head; its
// framing facts must follow from its status and headers.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weir/http/h1_codec.h"

namespace {

using weir::http::HeadLimits;
using weir::http::HeadScanner;
using weir::http::ParseOutcome;
using weir::http::ParseState;
using weir::http::ResponseHead;

void check(bool ok) {
  if (!ok) std::abort();
}

constexpr HeadLimits kLimits{.target_bytes_max = 48, .block_bytes_max = 400, .headers_max = 6};

struct Run {
  ParseOutcome outcome{};
  std::string story;
};

std::string story(const ResponseHead& h) {
  std::string s = std::to_string(h.status) + '\x01' + std::string(h.reason) + '\x01';
  for (const weir::Header& f : h.headers) {
    s.append(f.name).push_back('\x01');
    s.append(f.value).push_back('\x01');
  }
  s += h.content_length ? std::to_string(*h.content_length) : "-";
  s += static_cast<char>('0' + h.minor_version);
  for (bool flag : {h.chunked, h.keep_alive, h.body_allowed, h.until_close})
    s += flag ? 'y' : 'n';
  return s;
}

void check_promises(const ResponseHead& h, std::string_view head, std::string_view method) {
  check(head.size() >= 16 && head.ends_with("\r\n\r\n") && head.size() <= kLimits.block_bytes_max);
  check(h.status >= 100 && h.status <= 999 && h.status != 101 && h.headers.size() <= kLimits.headers_max);
  check(!(h.chunked && h.content_length));
  bool bodyless = h.status < 200 || h.status == 204 || h.status == 304 || method == "HEAD";
  check(h.body_allowed == !bodyless);
  check(h.until_close == (!bodyless && !h.chunked && !h.content_length));
  check(!(h.until_close && h.keep_alive));
  for (const weir::Header& f : h.headers) {
    for (unsigned char c : f.name)
      check(c > 0x20 && c < 0x7f && c != ':');
    for (unsigned char c : f.value)
      check((c >= 0x20 && c != 0x7f) || c == '\t');
  }
}

Run run(std::string_view bytes, std::string_view method, const std::vector<size_t>& steps) {
  HeadScanner scanner(kLimits);
  ResponseHead head;
  Run r;
  std::vector<std::unique_ptr<char[]>> copies;
  for (size_t n : steps) {
    copies.push_back(std::make_unique<char[]>(n + 1));
    bytes.copy(copies.back().get(), n);
    if (copies.size() > 2) copies.erase(copies.begin());
    r.outcome = scanner.response({copies.back().get(), n}, method, head);
    if (r.outcome.state == ParseState::kIncomplete) continue;
    if (r.outcome.state == ParseState::kComplete) {
      check_promises(head, {copies.back().get(), r.outcome.consumed}, method);
      r.story = story(head);
    }
    return r;
  }
  return r;
}

void check_same(const Run& a, const Run& b) {
  check(a.outcome.state == b.outcome.state && a.outcome.consumed == b.outcome.consumed);
  check(a.outcome.code == b.outcome.code && a.outcome.what == b.outcome.what && a.story == b.story);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  uint32_t seed = static_cast<uint32_t>(data[0]) << 16 | static_cast<uint32_t>(data[1]) << 8 | data[2];
  std::string_view method = data[0] & 1 ? "HEAD" : "POST";
  std::string_view bytes(reinterpret_cast<const char*>(data) + 3, size - 3);
  std::vector<size_t> random, single;
  for (size_t n = 1; n <= bytes.size(); ++n) {
    single.push_back(n);
    seed = seed * 1664525u + 1013904223u;
    if (seed >> 28 == 0 || n == bytes.size()) random.push_back(n);
  }
  Run whole = run(bytes, method, {bytes.size()});
  check_same(whole, run(bytes, method, random));
  if (bytes.size() <= 512) check_same(whole, run(bytes, method, single));
  return 0;
}
