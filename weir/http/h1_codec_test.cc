#include "weir/http/h1_codec.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>

namespace weir::http {
namespace {

using testing::HasSubstr;

struct ReadRequest {
  ParseOutcome outcome{};
  RequestHead head;
};

ReadRequest read(std::string_view bytes, HeadLimits limits = {}) {
  ReadRequest r;
  r.outcome = HeadScanner(limits).request(bytes, r.head);
  return r;
}

// "" when accepted, "..." when more is needed, else why it was refused.
std::string verdict(const ParseOutcome& o) {
  if (o.state == ParseState::kComplete) return "";
  if (o.state == ParseState::kIncomplete) return "...";
  return std::string(o.what);
}

std::string request_verdict(std::string_view bytes, HeadLimits limits = {}) {
  return verdict(read(bytes, limits).outcome);
}

std::string with(std::string_view header_lines) {
  return "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n" + std::string(header_lines) + "\r\n";
}

TEST(RequestHead, GivesEveryPart) {
  std::string bytes =
      "POST /v1/chat/completions?a=b?c HTTP/1.1\r\nHost: api.example:8080\r\nContent-Type:application/json "
      "\t\r\n"
      "X-Empty:\r\nContent-Length: 12\r\nExpect: 100-Continue\r\n\r\nbody";
  ReadRequest r = read(bytes);
  ASSERT_EQ(verdict(r.outcome), "");
  EXPECT_EQ(r.outcome.consumed, bytes.size() - 4);
  EXPECT_EQ(r.head.method, "POST");
  EXPECT_EQ(r.head.target, "/v1/chat/completions?a=b?c");
  EXPECT_EQ(r.head.path, "/v1/chat/completions");
  EXPECT_EQ(r.head.query, "a=b?c");
  EXPECT_EQ(r.head.host, "api.example:8080");
  EXPECT_EQ(r.head.content_length, 12u);
  EXPECT_FALSE(r.head.chunked);
  EXPECT_TRUE(r.head.keep_alive);
  EXPECT_TRUE(r.head.expect_continue);
  ASSERT_EQ(r.head.headers.size(), 5u);
  EXPECT_EQ(r.head.headers[1].value, "application/json");
  EXPECT_EQ(r.head.headers[2].value, "");
}

TEST(RequestHead, ClearKeepsStorage) {
  ReadRequest r = read(with("a: b\r\n"));
  const Header* storage = r.head.headers.data();
  r.head.clear();
  EXPECT_TRUE(r.head.headers.empty());
  EXPECT_EQ(r.head.headers.data(), storage);
  EXPECT_EQ(r.head.method, "");
}

TEST(RequestHead, OneScannerReadsOneHeadAfterAnother) {
  std::string bytes = with("Connection: close\r\nContent-Length: 1\r\n");
  HeadScanner scanner;
  RequestHead head;
  ASSERT_EQ(verdict(scanner.request(bytes, head)), "");
  ASSERT_EQ(verdict(scanner.request("GET / HTTP/1.1\r\nHost: b\r\n\r\n", head)), "");
  EXPECT_EQ(head.headers.size(), 1u);
  EXPECT_FALSE(head.content_length);
  EXPECT_TRUE(head.keep_alive);
}

TEST(RequestHead, RefusalStandsUntilReset) {
  HeadScanner scanner;
  RequestHead head;
  EXPECT_EQ(scanner.request("G@T / HTTP/1.1\r\n", head).state, ParseState::kInvalid);
  EXPECT_EQ(scanner.request("GET / HTTP/1.1\r\nHost: b\r\n\r\n", head).state, ParseState::kInvalid);
  scanner.reset();
  EXPECT_EQ(scanner.request("GET / HTTP/1.1\r\nHost: b\r\n\r\n", head).state, ParseState::kComplete);
}

TEST(RequestHead, KeepAlive) {
  auto keep_alive = [](std::string_view bytes) {
    ReadRequest r = read(bytes);
    EXPECT_EQ(verdict(r.outcome), "") << bytes;
    return r.head.keep_alive;
  };
  EXPECT_TRUE(keep_alive("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_FALSE(keep_alive("GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n"));
  EXPECT_FALSE(
      keep_alive("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n"));
  EXPECT_TRUE(keep_alive("GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n"));
  EXPECT_FALSE(keep_alive("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(keep_alive("GET / HTTP/1.0\r\nConnection: ,keep-alive\r\n\r\n"));
}

TEST(RequestHead, TargetForms) {
  auto parts = [](std::string target, std::string host = "h:1") {
    std::string bytes = "OPTIONS " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
    ReadRequest r = read(bytes);
    if (r.outcome.state != ParseState::kComplete) return verdict(r.outcome);
    return std::string(r.head.path) + " | " + std::string(r.head.query);
  };
  EXPECT_EQ(parts("/"), "/ | ");
  EXPECT_EQ(parts("/?"), "/ | ");
  EXPECT_EQ(parts("//h/x"), "//h/x | ");
  EXPECT_EQ(parts("*"), "* | ");
  EXPECT_EQ(parts("http://h:1/a/b?c"), "/a/b | c");
  EXPECT_EQ(parts("HTTPS://H:1"), "/ | ");
  EXPECT_EQ(parts("http://h:1?c=/d"), "/ | c=/d");
  EXPECT_EQ(parts("http://[::1]:80/", "[::1]:80"), "/ | ");
  EXPECT_THAT(parts("http://other/a"), HasSubstr("disagree"));
  EXPECT_THAT(parts("http://h:1@evil/"), HasSubstr("authority"));
  EXPECT_THAT(parts("http:///a"), HasSubstr("authority"));
  EXPECT_THAT(parts("ftp://h:1/"), HasSubstr("neither"));
  EXPECT_THAT(parts("h:1"), HasSubstr("neither"));
  EXPECT_THAT(parts("*x"), HasSubstr("neither"));
  EXPECT_THAT(parts("/a#b"), HasSubstr("'#'"));
  EXPECT_THAT(parts("/\x7f"), HasSubstr("control"));
  EXPECT_THAT(parts("/\xc3\xa9"), HasSubstr("non-ASCII"));
  EXPECT_THAT(request_verdict("GET * HTTP/1.1\r\nHost: a\r\n\r\n"), HasSubstr("neither"));
  EXPECT_THAT(request_verdict("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"), HasSubstr("CONNECT"));
  ReadRequest old = read("GET http://h/x HTTP/1.0\r\n\r\n");
  EXPECT_EQ(verdict(old.outcome), "");
  EXPECT_EQ(old.head.host, "h");
}

TEST(RequestHead, RequestLine) {
  EXPECT_EQ(request_verdict("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), "");
  EXPECT_NE(request_verdict("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), "");
  EXPECT_THAT(request_verdict("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), HasSubstr("bare LF"));
  for (std::string_view version :
       {"HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "http/1.1", "HTTP/1.", "HTTP/1.10", "ICE/1.0", ""})
    EXPECT_NE(request_verdict("GET / " + std::string(version) + "\r\nHost: a\r\n\r\n"), "") << version;
  EXPECT_THAT(request_verdict("GET /\r\n\r\n"), HasSubstr("no version"));
  EXPECT_NE(request_verdict("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), "");
  EXPECT_NE(request_verdict("GET /  HTTP/1.1\r\nHost: a\r\n\r\n"), "");
  EXPECT_NE(request_verdict("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"), "");
  EXPECT_NE(request_verdict(std::string(33, 'A')), "...");
  EXPECT_EQ(request_verdict(std::string(32, 'A')), "...");
}

TEST(RequestHead, Host) {
  auto host = [](std::string_view value) {
    return request_verdict("GET / HTTP/1.1\r\nHost: " + std::string(value) + "\r\n\r\n");
  };
  for (std::string_view good :
       {"a", "a:1", "a.b-c_d:65535", "127.0.0.1:80", "[::1]", "[fe80::1]:443", "0.0.0.0=5000"})
    EXPECT_EQ(host(good), "") << good;
  for (std::string_view bad :
       {"", "a b", "a/b", "a#b", "a@b", "a?b", "a\\b", "a:", "a:b", "a:65536", "a:1:2", ":80", "[::1", "[]",
        "[x]", "[::1]x", "a,b", "a%20b", "localhost:4000/#@attacker"})
    EXPECT_THAT(host(bad), HasSubstr("Host is not")) << bad;
  EXPECT_EQ(request_verdict("GET / HTTP/1.1\r\n\r\n"), "no Host header");
  EXPECT_EQ(request_verdict("GET / HTTP/1.0\r\n\r\n"), "");
  EXPECT_EQ(request_verdict("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"), "more than one Host header");
}

TEST(RequestHead, Framing) {
  EXPECT_TRUE(read(with("Transfer-Encoding: Chunked\r\n")).head.chunked);
  EXPECT_EQ(read(with("Content-Length: 9223372036854775807\r\n")).head.content_length,
            (uint64_t{1} << 63) - 1);
  EXPECT_EQ(read(with("Content-Length: 007\r\n")).head.content_length, 7u);
  for (std::string_view bad : {
           "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
           "Content-Length: 1\r\nContent-Length: 1\r\n",
           "Content-Length: 1, 1\r\n",
           "Content-Length: +1\r\n",
           "Content-Length: -1\r\n",
           "Content-Length: 0x1\r\n",
           "Content-Length: 1_0\r\n",
           "Content-Length: 1 0\r\n",
           "Content-Length:\r\n",
           "Content-Length: 9223372036854775808\r\n",
           "Content-Length: 99999999999999999999999\r\n",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked, chunked\r\n",
           "Transfer-Encoding: gzip, chunked\r\n",
           "Transfer-Encoding: identity\r\n",
           "Transfer-Encoding: xchunked\r\n",
           "Transfer-Encoding: \"chunked\"\r\n",
           "Transfer-Encoding: chunked;q=1\r\n",
           "Transfer-Encoding:\r\n",
           "content_length: 1\r\n",
           "Transfer_Encoding: chunked\r\n",
           "X_Forwarded-For: 1.2.3.4\r\n",
           "x_api_key: k\r\n",
       }) {
    ReadRequest r = read(with(bad));
    EXPECT_EQ(r.outcome.state, ParseState::kInvalid) << bad;
    EXPECT_EQ(r.outcome.code, ErrorCode::kInvalidRequest) << bad;
  }
  EXPECT_THAT(request_verdict("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
              HasSubstr("HTTP/1.0"));
  EXPECT_EQ(request_verdict(with("my_own_header: 1\r\n_: 1\r\nContent-Length-X: 1\r\n")), "");
}

TEST(RequestHead, HeaderLines) {
  for (std::string_view bad : {
           "a: b\n",
           "a: b\rc: d\r\n",
           "a: b\r\r\n",
           "a : b\r\n",
           "a\t: b\r\n",
           " a: b\r\n",
           "a: b\r\n c\r\n",
           "a: b\r\n\tc\r\n",
           ": b\r\n",
           "a\r\n",
           "a(: b\r\n",
           "a\x80: b\r\n",
           "a: b\x01\r\n",
           "a: b\x7f\r\n",
       })
    EXPECT_EQ(read(with(bad)).outcome.state, ParseState::kInvalid) << bad;
  using std::string_literals::operator""s;
  EXPECT_NE(request_verdict(with("a: b\0\r\n"s)), "");
  EXPECT_NE(request_verdict(with("a\0: b\r\n"s)), "");
  EXPECT_EQ(request_verdict(with("!#$%&'*+-.^_`|~09azAZ: \t b\xc3\xa9\tc \r\n")), "");
}

TEST(RequestHead, RefusesAsSoonAsSeen) {
  for (std::string_view prefix : {"\n", "\rG", "G@", "GET  ", "GET /a#", "GET / HTTP/2", "GET / HTTP/1.1\n",
                                  "GET / HTTP/1.1\r\n ", "GET / HTTP/1.1\r\na ", "GET / HTTP/1.1\r\na: b\n",
                                  "GET / HTTP/1.1\r\na: b\rc", "GET / HTTP/1.1\r\nContent-Length: x\r\n"}) {
    EXPECT_EQ(read(prefix).outcome.state, ParseState::kInvalid) << prefix;
    EXPECT_EQ(read(prefix.substr(0, prefix.size() - 1)).outcome.state, ParseState::kIncomplete) << prefix;
  }
}

TEST(RequestHead, Limits) {
  HeadLimits limits{.target_bytes_max = 10, .block_bytes_max = 60, .headers_max = 3};
  EXPECT_EQ(read("GET /123456789 HTTP/1.1\r\nHost: a\r\n\r\n", limits).outcome.state, ParseState::kComplete);
  ReadRequest long_target = read("GET /1234567890", limits);
  EXPECT_EQ(long_target.outcome.state, ParseState::kInvalid);
  EXPECT_EQ(long_target.outcome.code, ErrorCode::kUriTooLong);

  std::string exact = "GET / HTTP/1.1\r\nHost: a\r\nb: " + std::string(60 - 25 - 3 - 4, 'x') + "\r\n\r\n";
  ASSERT_EQ(exact.size(), 60u);
  EXPECT_EQ(request_verdict(exact, limits), "");
  exact.insert(30, "y");
  ReadRequest long_block = read(exact, limits);
  EXPECT_EQ(long_block.outcome.state, ParseState::kInvalid);
  EXPECT_EQ(long_block.outcome.code, ErrorCode::kHeadersTooLarge);

  EXPECT_EQ(request_verdict("GET / HTTP/1.1\r\nHost: a\r\nb:\r\nc:\r\n\r\n", limits), "");
  ReadRequest many = read("GET / HTTP/1.1\r\nHost: a\r\nb:\r\nc:\r\nd", limits);
  EXPECT_EQ(many.outcome.state, ParseState::kInvalid);
  EXPECT_EQ(many.outcome.code, ErrorCode::kHeadersTooLarge);

  std::string flood = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 99; ++i)
    flood += "a: b\r\n";
  EXPECT_EQ(request_verdict(flood + "\r\n"), "");
  EXPECT_EQ(request_verdict(flood + "a: b\r\n\r\n"), "too many headers");
}

struct ReadResponse {
  ParseOutcome outcome{};
  ResponseHead head;
};

ReadResponse read_response(std::string_view bytes, std::string_view method = "POST") {
  ReadResponse r;
  r.outcome = HeadScanner().response(bytes, method, r.head);
  return r;
}

TEST(ResponseHead, GivesEveryPart) {
  std::string bytes =
      "HTTP/1.1 200 All  fine\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n0";
  ReadResponse r = read_response(bytes);
  ASSERT_EQ(verdict(r.outcome), "");
  EXPECT_EQ(r.outcome.consumed, bytes.size() - 1);
  EXPECT_EQ(r.head.status, 200);
  EXPECT_EQ(r.head.reason, "All  fine");
  EXPECT_TRUE(r.head.chunked && r.head.keep_alive && r.head.body_allowed);
  EXPECT_FALSE(r.head.until_close);
}

TEST(ResponseHead, Bodies) {
  auto facts = [](std::string_view bytes, std::string_view method = "POST") {
    ReadResponse r = read_response(bytes, method);
    if (r.outcome.state != ParseState::kComplete) return verdict(r.outcome);
    std::string s;
    if (r.head.body_allowed) s += "body ";
    if (r.head.until_close) s += "until-close ";
    if (r.head.keep_alive) s += "keep-alive ";
    if (r.head.content_length) s += std::to_string(*r.head.content_length);
    return s;
  };
  EXPECT_EQ(facts("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), "body keep-alive 5");
  EXPECT_EQ(facts("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD"), "keep-alive 5");
  EXPECT_EQ(facts("HTTP/1.1 200 OK\r\n\r\n"), "body until-close ");
  EXPECT_EQ(facts("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n"), "body until-close ");
  EXPECT_EQ(facts("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"), "body 0");
  EXPECT_EQ(facts("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), "keep-alive 5");
  EXPECT_EQ(facts("HTTP/1.1 204 No Content\r\n\r\n"), "keep-alive ");
  EXPECT_EQ(facts("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"), "keep-alive 0");
  EXPECT_EQ(facts("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"), "5");  // may send them: not reused
  EXPECT_EQ(facts("HTTP/1.1 100 Continue\r\n\r\n"), "keep-alive ");
  EXPECT_THAT(facts("HTTP/1.1 101 Switching Protocols\r\n\r\n"), HasSubstr("101"));
  EXPECT_NE(facts("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n").find("both"),
            std::string::npos);
}

TEST(ResponseHead, StatusLine) {
  for (std::string_view good : {"HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.0 999 \xc3\xa9\t!"})
    EXPECT_EQ(verdict(read_response(std::string(good) + "\r\n\r\n").outcome), "") << good;
  for (std::string_view bad :
       {"HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1 099 X", "HTTP/1.1  200 OK",
        "HTTP/1.1 200OK", "HTTP/1.1 +20 OK", "HTTP/1.1 200 \x01", "HTTP/2 200", "XTTP/1.1 200 OK"})
    EXPECT_EQ(read_response(std::string(bad) + "\r\n\r\n").outcome.state, ParseState::kInvalid) << bad;
  EXPECT_EQ(read_response("HTTP/1.1 200 OK\n").outcome.state, ParseState::kInvalid);
}

// What a caller may rely on, however the bytes arrive: made from pieces that are mostly right.
class Heads {
 public:
  explicit Heads(uint32_t seed) : random_(seed) {}

  std::string request() {
    std::string s = pick({"GET", "POST", "OPTIONS", "M-SEARCH", "G@T"});
    s += pick({" ", " ", " ", "  "}) + pick({"/", "/v1/models?x=y", "*", "http://a/", "http://b", "/#"});
    s += " " + pick({"HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2"}) + eol();
    return s + headers();
  }
  std::string response() {
    return pick({"HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/3.1"}) + pick({" 200", " 204", " 404", " 1x0"}) +
           pick({" OK", "", " ", " \x02"}) + eol() + headers();
  }
  size_t choose(size_t n) { return random_() % n; }

 private:
  std::string pick(std::initializer_list<const char*> from) { return from.begin()[choose(from.size())]; }
  std::string eol() { return choose(25) == 0 ? pick({"\n", "\r", "\r\r\n"}) : "\r\n"; }
  std::string headers() {
    std::string s;
    if (choose(6) != 0) s += "Host: a" + eol();
    for (size_t n = choose(7); n > 0; --n) {
      s += pick({"Accept: */*", "X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                 "x_y:z", "Connection: close", "Content-Length: 12", "Transfer-Encoding: chunked",
                 "content_length: 1", "a : b", "Expect: 100-continue"});
      s += eol();
    }
    return s + eol() + "rest";
  }

  std::minstd_rand random_;
};

std::string story(const ParseOutcome& o, const auto& head) {
  std::string s = verdict(o) + "/" + std::to_string(o.consumed) + "/" + std::string(name(o.code));
  if (o.state != ParseState::kComplete) return s;
  for (const Header& h : head.headers)
    s += "\n" + std::string(h.name) + ":" + std::string(h.value);
  s += head.content_length ? "\n" + std::to_string(*head.content_length) : "\n-";
  return s + (head.chunked ? "c" : "") + (head.keep_alive ? "k" : "");
}

// Reads prefixes that grow by `step()` bytes, each in memory of its own.
template <class Head>
std::string read_in_pieces(std::string_view bytes, HeadLimits limits, auto step, auto scan) {
  HeadScanner scanner(limits);
  Head head;
  std::string copies[2];
  for (size_t n = 0, i = 0; n < bytes.size(); i ^= 1) {
    n = std::min(bytes.size(), n + step());
    copies[i] = std::string(bytes.substr(0, n));
    ParseOutcome o = scan(scanner, std::string_view(copies[i]), head);
    if (o.state != ParseState::kIncomplete || n == bytes.size()) return story(o, head);
  }
  return "";
}

TEST(Heads, EverySplitGivesTheSameVerdict) {
  auto request = [](HeadScanner& s, std::string_view b, RequestHead& h) { return s.request(b, h); };
  auto response = [](HeadScanner& s, std::string_view b, ResponseHead& h) { return s.response(b, "GET", h); };
  size_t accepted = 0;
  for (uint32_t seed = 1; seed <= 4000; ++seed) {
    Heads make(seed);
    HeadLimits limits{.target_bytes_max = 12, .block_bytes_max = 40 + make.choose(400), .headers_max = 6};
    auto all = [] { return size_t{1} << 20; };
    auto one = [] { return size_t{1}; };
    auto some = [&make] { return 1 + make.choose(40); };
    std::string q = make.request();
    std::string whole = read_in_pieces<RequestHead>(q, limits, all, request);
    accepted += whole.starts_with('/');
    ASSERT_EQ(whole, read_in_pieces<RequestHead>(q, limits, one, request)) << q;
    ASSERT_EQ(whole, read_in_pieces<RequestHead>(q, limits, some, request)) << q;
    std::string a = make.response();
    whole = read_in_pieces<ResponseHead>(a, limits, all, response);
    accepted += whole.starts_with('/');
    ASSERT_EQ(whole, read_in_pieces<ResponseHead>(a, limits, one, response)) << a;
    ASSERT_EQ(whole, read_in_pieces<ResponseHead>(a, limits, some, response)) << a;
  }
  EXPECT_GT(accepted, 500u);  // the mix must not be all refusals
}

struct Unchunked {
  ParseState state{};
  std::string payload;
  std::string rest;
  std::string what;
};

Unchunked unchunk(std::string_view bytes, size_t step) {
  ChunkedDecoder decoder;
  Unchunked out;
  while (!bytes.empty() && out.state == ParseState::kIncomplete) {
    std::string piece(bytes.substr(0, step));
    ChunkedDecoder::Step s = decoder.decode(piece);
    out.payload += piece.substr(0, s.payload);
    out.state = s.state;
    out.what = s.what;
    bytes.remove_prefix(s.consumed);
  }
  out.rest = bytes;
  return out;
}

TEST(ChunkedDecoder, TakesTheFramingOffInPlace) {
  std::string bytes = "5\r\nhello\r\n00A;x=y;z=\"q\\\"\"\r\n, world!!!\r\n0\r\nTrailer: x\r\n\r\nGET";
  for (size_t step = 1; step <= bytes.size(); ++step) {
    Unchunked u = unchunk(bytes, step);
    EXPECT_EQ(u.state, ParseState::kComplete);
    EXPECT_EQ(u.payload, "hello, world!!!");
    EXPECT_EQ(u.rest, "GET");
  }
}

TEST(ChunkedDecoder, PartialChunkIsPassedOn) {
  ChunkedDecoder decoder;
  std::string bytes = "ff\r\nabc";
  ChunkedDecoder::Step s = decoder.decode(bytes);
  EXPECT_EQ(s.state, ParseState::kIncomplete);
  EXPECT_EQ(s.consumed, 7u);
  EXPECT_EQ(bytes.substr(0, s.payload), "abc");
}

TEST(ChunkedDecoder, Refuses) {
  for (std::string_view bad : {
           "\r\n",
           "0x5\r\nhello\r\n",
           "+5\r\n",
           "-5\r\n",
           "1_0\r\n",
           " 5\r\n",
           "5 \r\n",
           "5\n",
           "5\r\r\n",
           "5\r\nhello\n",
           "5\r\nhello!\r\n",
           "5\r\nhell\r\n0",
           "5\r\nhello\rX",
           "g\r\n",
           "8000000000000000\r\n",
           "00000000000000000\r\n",
           "fffffffffffffffff\r\n",
           "5;\r\n",
           "5;a b\r\n",
           "5;a=\r\n",
           "5;a=\"\n\"\r\n",
           "5;a=\"b\r\n",
           "5;a\n\r\n",
           "5;a=\"b\"c\r\n",
           "5;a;;b\r\n",
           "0\r\n\n",
           "0\r\n\rX",
           "0\r\na\r\n",
           "0\r\na b: c\r\n",
           "0\r\na: b\n\r\n",
           "0\r\na: \x01\r\n",
           "0\r\n a: b\r\n",
           "0\r\n:\r\n",
       }) {
    for (size_t step : {size_t{1}, size_t{2}, bad.size()}) {
      Unchunked u = unchunk(bad, step);
      EXPECT_EQ(u.state, ParseState::kInvalid) << bad;
      EXPECT_NE(u.what, "") << bad;
    }
  }
  EXPECT_EQ(unchunk("7fffffffffffffff\r\n", 100).state, ParseState::kIncomplete);
  EXPECT_EQ(unchunk("0000000000000000\r\n\r\n", 100).state, ParseState::kComplete);
}

TEST(ChunkedDecoder, Bounds) {
  EXPECT_EQ(unchunk("1;" + std::string(256, 'a') + "\r\nx", 1000).state, ParseState::kIncomplete);
  EXPECT_EQ(unchunk("1;" + std::string(257, 'a'), 1000).state, ParseState::kInvalid);
  std::string second = "1;" + std::string(200, 'a') + "\r\nx\r\n";  // the bound is a chunk's own
  EXPECT_EQ(unchunk(second + second, 1000).state, ParseState::kIncomplete);
  auto extended = [](int chunks, size_t payload, size_t extension) {
    std::string out;
    for (int i = 0; i < chunks; ++i)
      out +=
          fmt::format("{:x};{}\r\n{}\r\n", payload, std::string(extension, 'a'), std::string(payload, 'x'));
    return out;
  };
  // In all 16 KiB, and what the payload makes room for.
  EXPECT_EQ(unchunk(extended(64, 1, 256), 1000).state, ParseState::kIncomplete);
  EXPECT_EQ(unchunk(extended(65, 1, 256), 1000).what, "chunk extensions are too long");
  EXPECT_EQ(unchunk(extended(65, 1, 256), 1).what, "chunk extensions are too long");
  EXPECT_EQ(unchunk(extended(1000, 256, 256), 1000).state, ParseState::kIncomplete);
  std::string trailer = "0\r\na: " + std::string(8192 - 7, 'b') + "\r\n\r\n";
  EXPECT_EQ(unchunk(trailer, 100).state, ParseState::kComplete);
  trailer.insert(8, "b");
  EXPECT_EQ(unchunk(trailer, 100).state, ParseState::kInvalid);
}

}  // namespace
}  // namespace weir::http
