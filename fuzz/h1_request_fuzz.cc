// A request head: read in one piece, at splits chosen by the input, byte by byte, and through memory that
// moves. All must give one verdict; an accepted head must keep the promises the rest of the house builds on.
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
using weir::http::RequestHead;

void check(bool ok) {
  if (!ok) std::abort();
}

// Small bounds, so that the fuzzer meets them.
constexpr HeadLimits kLimits{.target_bytes_max = 48, .block_bytes_max = 400, .headers_max = 6};

struct Run {
  ParseOutcome outcome{};
  std::string story;
};

std::string story(const RequestHead& h) {
  std::string s;
  auto add = [&s](std::string_view v) { s.append(v).push_back('\x01'); };
  for (std::string_view v : {h.method, h.target, h.path, h.query, h.host})
    add(v);
  for (const weir::Header& f : h.headers) {
    add(f.name);
    add(f.value);
  }
  add(h.content_length ? std::to_string(*h.content_length) : "-");
  s += static_cast<char>('0' + h.minor_version);
  for (bool flag : {h.chunked, h.keep_alive, h.expect_continue})
    s += flag ? 'y' : 'n';
  return s;
}

bool within(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_promises(const RequestHead& h, std::string_view bytes, size_t consumed) {
  check(consumed >= 16 && consumed <= bytes.size() && bytes.substr(consumed - 4, 4) == "\r\n\r\n");
  std::string_view head = bytes.substr(0, consumed);
  check(head.size() <= kLimits.block_bytes_max && h.target.size() <= kLimits.target_bytes_max);
  check(h.headers.size() <= kLimits.headers_max);
  for (std::string_view v : {h.method, h.target, h.path, h.query, h.host})
    check(within(v, head));
  check(!h.method.empty() && !h.path.empty() &&
        (h.path[0] == '/' || (h.path == "*" && h.method == "OPTIONS")));
  check(!(h.chunked && h.content_length) && !(h.chunked && h.minor_version == 0));
  check(h.minor_version == 0 || !h.host.empty());
  check(h.host.find_first_of("/#@? \t,%\\") == std::string_view::npos);
  int lengths = 0, encodings = 0, hosts = 0;
  for (const weir::Header& f : h.headers) {
    check(within(f.name, head) && within(f.value, head) && !f.name.empty());
    for (unsigned char c : f.name)
      check(c > 0x20 && c < 0x7f && c != ':');
    for (unsigned char c : f.value)
      check((c >= 0x20 && c != 0x7f) || c == '\t');
    lengths += weir::iequals(f.name, "content-length");
    encodings += weir::iequals(f.name, "transfer-encoding");
    hosts += weir::iequals(f.name, "host");
  }
  check(lengths == (h.content_length ? 1 : 0) && encodings == (h.chunked ? 1 : 0) && hosts <= 1);
  for (unsigned char c : h.target)
    check(c > 0x20 && c < 0x7f && c != '#');
}

// Feeds growing prefixes; `steps` are their lengths. Every call sees a fresh copy of exactly those bytes.
Run run(std::string_view bytes, const std::vector<size_t>& steps) {
  HeadScanner scanner(kLimits);
  RequestHead head;
  Run r;
  std::vector<std::unique_ptr<char[]>> copies;
  for (size_t n : steps) {
    copies.push_back(std::make_unique<char[]>(n + 1));
    bytes.copy(copies.back().get(), n);
    if (copies.size() > 2) copies.erase(copies.begin());  // what an earlier call saw is gone
    std::string_view seen(copies.back().get(), n);
    r.outcome = scanner.request(seen, head);
    if (r.outcome.state == ParseState::kIncomplete) continue;
    if (r.outcome.state == ParseState::kComplete) {
      check_promises(head, seen, r.outcome.consumed);
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
  std::string_view bytes(reinterpret_cast<const char*>(data) + 3, size - 3);
  std::vector<size_t> random, single;
  for (size_t n = 1; n <= bytes.size(); ++n) {
    single.push_back(n);
    seed = seed * 1664525u + 1013904223u;
    if (seed >> 28 == 0 || n == bytes.size()) random.push_back(n);
  }
  Run whole = run(bytes, {bytes.size()});
  check_same(whole, run(bytes, random));
  if (bytes.size() <= 512) check_same(whole, run(bytes, single));
  return 0;
}
