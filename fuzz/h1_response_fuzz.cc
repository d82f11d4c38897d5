// The head of an answer: one piece, random splits and byte by byte must give one verdict and one head; its
// framing facts must follow from its status and headers.
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
using weir::http::ResponseHead;

constexpr HeadLimits kLimits{.target_bytes_max = 48, .block_bytes_max = 400, .headers_max = 6};

struct Run {
  ParseOutcome outcome{};
  std::string story;
};

void tell(const ResponseHead& h, std::string& s) {
  char digits[20];
  s.append(digits, std::to_chars(digits, digits + 20, h.status).ptr);
  s.append(h.reason).push_back('\x01');
  for (const weir::Header& f : h.headers) {
    s.append(f.name).push_back('\x01');
    s.append(f.value).push_back('\x01');
  }
  if (h.content_length) s.append(digits, std::to_chars(digits, digits + 20, *h.content_length).ptr);
  s += static_cast<char>('0' + h.minor_version);
  for (bool flag : {h.content_length.has_value(), h.chunked, h.keep_alive, h.body_allowed, h.until_close})
    s += flag ? 'y' : 'n';
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

// Feeds growing prefixes, each in a place of its own; what an earlier call saw is gone.
void run(std::string_view bytes, std::string_view method, Cuts::Kind kind, Run& r) {
  static Cage cages[2];
  static ResponseHead head;
  HeadScanner scanner(kLimits);
  Cuts cuts(kind, bytes);
  r.outcome = {};
  r.story.clear();
  for (size_t n = 0, turn = 0; n < bytes.size(); turn ^= 1) {
    n += cuts.next(bytes.size() - n);
    std::span<char> piece = cages[turn].put(bytes.substr(0, n));
    cages[turn ^ 1].clear();
    std::string_view seen(piece.data(), n);
    r.outcome = scanner.response(seen, method, head);
    if (r.outcome.state == ParseState::kIncomplete) continue;
    if (r.outcome.state == ParseState::kComplete) {
      check_promises(head, seen.substr(0, r.outcome.consumed), method);
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
  std::string_view method = Cuts::hash(bytes) & 1 << 20 ? "HEAD" : "POST";
  run(bytes, method, Cuts::Kind::kWhole, whole);
  run(bytes, method, Cuts::Kind::kDrawn, other);
  check_same(whole, other);
  if (weir::fuzz::worth_byte_by_byte(bytes)) {
    run(bytes, method, Cuts::Kind::kBytes, other);
    check_same(whole, other);
  }
  return 0;
}
