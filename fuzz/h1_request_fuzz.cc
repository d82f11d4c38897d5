// A request head: read in one piece, at splits chosen by the input, byte by byte, and through memory that
// moves. All must give one verdict; an accepted head must keep the promises the rest of the house builds on.
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
using weir::http::HeadLimits;
using weir::http::HeadScanner;
using weir::http::ParseOutcome;
using weir::http::ParseState;
using weir::http::RequestHead;

// Small bounds, so that the fuzzer meets them.
constexpr HeadLimits kLimits{.target_bytes_max = 48, .block_bytes_max = 400, .headers_max = 6};

struct Run {
  ParseOutcome outcome{};
  std::string story;
};

void tell(const RequestHead& h, std::string& s) {
  auto add = [&s](std::string_view v) { s.append(v).push_back('\x01'); };
  for (std::string_view v : {h.method, h.target, h.path, h.query, h.host})
    add(v);
  for (const weir::Header& f : h.headers) {
    add(f.name);
    add(f.value);
  }
  char digits[20];
  if (h.content_length) s.append(digits, std::to_chars(digits, digits + 20, *h.content_length).ptr);
  s += static_cast<char>('0' + h.minor_version);
  for (bool flag : {h.content_length.has_value(), h.chunked, h.keep_alive, h.expect_continue})
    s += flag ? 'y' : 'n';
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

// Feeds growing prefixes, each in a place of its own; what an earlier call saw is gone.
void run(std::string_view bytes, Cuts::Kind kind, Run& r) {
  static Cage cages[2];
  static RequestHead head;
  HeadScanner scanner(kLimits);
  Cuts cuts(kind, bytes);
  r.outcome = {};
  r.story.clear();
  for (size_t n = 0, turn = 0; n < bytes.size(); turn ^= 1) {
    n += cuts.next(bytes.size() - n);
    std::span<char> piece = cages[turn].put(bytes.substr(0, n));
    cages[turn ^ 1].clear();
    std::string_view seen(piece.data(), n);
    r.outcome = scanner.request(seen, head);
    if (r.outcome.state == ParseState::kIncomplete) continue;
    if (r.outcome.state == ParseState::kComplete) {
      check_promises(head, seen, r.outcome.consumed);
      tell(head, r.story);
    }
    return;
  }
}

void check_same(const Run& a, const Run& b) {
  check(a.outcome.state == b.outcome.state && a.outcome.consumed == b.outcome.consumed);
  check(a.outcome.code == b.outcome.code && a.outcome.what == b.outcome.what && a.story == b.story);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Run whole, other;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  run(bytes, Cuts::Kind::kWhole, whole);
  run(bytes, Cuts::Kind::kDrawn, other);
  check_same(whole, other);
  if (weir::fuzz::worth_byte_by_byte(bytes)) {
    run(bytes, Cuts::Kind::kBytes, other);
    check_same(whole, other);
  }
  return 0;
}
