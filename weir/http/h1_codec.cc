#include "weir/http/h1_codec.h"

#include <algorithm>

#include "weir/http/h1_bytes.h"

// How a head is read. The scanner is a state machine over the elements of a head (method, target, version,
// header name, header value). Each element is a run of bytes of one class, so the work per byte is one search
// for the first byte outside the class, 16 bytes at a time; what the byte that ended the run means is decided
// once per element. Every verdict is tied to the byte at which it falls, never to how many bytes were there
// when it fell: that is what makes one piece and any split agree (fuzz/h1_request_fuzz.cc holds both against
// each other). A head that was whole in the first call is therefore read in one pass; an unfinished one
// continues at Progress::at.

namespace weir::http {
namespace {

using h1::ByteClass;
using h1::is_alnum;
using h1::is_token;
using h1::kBareCr;
using h1::kBareLf;
using h1::kLengthMax;
using h1::kToken;
using h1::make_class;
using h1::skip;
using h1::skip_value;

// Header names stop at '_' too, so that the common name pays nothing for the check of look-alikes.
constexpr ByteClass kPlainToken = make_class([](char c) { return is_token(c) && c != '_'; });
constexpr ByteClass kTarget = make_class([](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
// Of a registered name: no '%' (nothing real needs it) and no ',' (what a merged pair of Host headers looks
// like).
constexpr ByteClass kHostName = make_class([](char c) {
  return is_alnum(c) || std::string_view("-._~!$&'()*+;=").find(c) != std::string_view::npos;
});
constexpr ByteClass kHostV6 = make_class([](char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f') || c == ':' || c == '.';
});

std::string_view between(std::string_view bytes, size_t begin, size_t end) {
  return {bytes.data() + begin, end - begin};
}

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t'))
    s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t'))
    s.remove_suffix(1);
  return s;
}

std::optional<uint64_t> parse_length(std::string_view digits) {
  if (digits.empty()) return std::nullopt;
  uint64_t n = 0;
  for (char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    auto d = static_cast<uint64_t>(c - '0');
    if (n > (kLengthMax - d) / 10) return std::nullopt;
    n = n * 10 + d;
  }
  return n;
}

bool valid_port(std::string_view port) {
  std::optional<uint64_t> n = parse_length(port);
  return n && port.size() <= 5 && *n <= 65535;
}

// uri-host [":" port]; the host may not be empty, nor the port after its colon.
bool valid_host(std::string_view host) {
  if (host.empty()) return false;
  size_t end = 0;
  if (host.front() == '[') {
    end = skip(kHostV6, host.data(), 1, host.size());
    if (end < 3 || end == host.size() || host[end] != ']') return false;
    if (std::ranges::count(host.substr(0, end), ':') < 2) return false;
    ++end;
  } else {
    end = skip(kHostName, host.data(), 0, host.size());
    if (end == 0) return false;
  }
  return end == host.size() || (host[end] == ':' && valid_port(host.substr(end + 1)));
}

// Headers that decide how a message is framed, who sent it and who may: a name that turns into one of them
// when a CGI-like layer behind us reads '_' as '-' is an attempt at smuggling.
bool resembles_trusted(std::string_view name) {
  static constexpr std::string_view kTrusted[] = {
      "content-length",   "transfer-encoding",   "content-encoding",  "content-type",     "keep-alive",
      "proxy-connection", "proxy-authorization", "x-api-key",         "api-key",          "x-real-ip",
      "x-forwarded-for",  "x-forwarded-host",    "x-forwarded-proto", "x-forwarded-port", "x-request-id",
  };
  auto same = [](char c, char trusted) {
    if (c == '_') return trusted == '-';
    return (c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c) == trusted;
  };
  return std::ranges::any_of(kTrusted, [&](std::string_view t) { return std::ranges::equal(name, t, same); });
}

// Calls `each` with every member of a comma-separated list that is not empty.
void for_each_member(std::string_view list, auto each) {
  while (!list.empty()) {
    size_t comma = std::min(list.find(','), list.size());
    if (std::string_view member = trim(list.substr(0, comma)); !member.empty()) each(member);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
}

constexpr std::string_view kVersionWhat = "only HTTP/1.0 and HTTP/1.1 are spoken";
constexpr size_t kMethodBytesMax = 32;  // the longest registered one has 17

}  // namespace

void RequestHead::clear() {
  std::vector<Header> storage = std::move(headers);
  storage.clear();
  *this = {};
  headers = std::move(storage);
}

void ResponseHead::clear() {
  std::vector<Header> storage = std::move(headers);
  storage.clear();
  *this = {};
  headers = std::move(storage);
}

// ---------------------------------------------------------------------------------------------------- the
// scanner

ParseOutcome HeadScanner::refuse(std::string_view what, ErrorCode code) {
  progress_.stage = Stage::kRefused;
  progress_.refusal = {ParseState::kInvalid, 0, code, what};
  return progress_.refusal;
}

ParseOutcome HeadScanner::need_more(std::string_view bytes) {
  if (bytes.size() >= limits_.block_bytes_max)
    return refuse("the head is too long", ErrorCode::kHeadersTooLarge);
  return {ParseState::kIncomplete};
}

// Begins a head, or follows bytes that moved: the headers found so far point into their old place.
void HeadScanner::resume(std::string_view bytes, std::vector<Header>& headers) {
  Progress& p = progress_;
  if (p.headers != headers.size() || p.stage == Stage::kStart) {
    progress_ = {};
    headers.clear();
  } else if (p.base != bytes.data()) {
    auto old = reinterpret_cast<uintptr_t>(p.base);
    auto move = [&](std::string_view& v) {
      v = {bytes.data() + (reinterpret_cast<uintptr_t>(v.data()) - old), v.size()};
    };
    for (Header& h : headers) {
      move(h.name);
      move(h.value);
    }
  }
  p.base = bytes.data();
}

ParseOutcome HeadScanner::skip_empty_line(std::string_view bytes) {
  if (bytes.empty()) return need_more(bytes);
  if (bytes[0] == '\r') {
    if (bytes.size() < 2) return need_more(bytes);
    if (bytes[1] != '\n') return refuse(kBareCr);
    progress_.at = 2;
  }
  progress_.mark = progress_.at;
  return {ParseState::kComplete};
}

// "HTTP/1.0" or "HTTP/1.1" at `mark`; leaves `at` behind it.
ParseOutcome HeadScanner::version(std::string_view bytes) {
  Progress& p = progress_;
  constexpr std::string_view kPrefix = "HTTP/1.";
  std::string_view have = bytes.substr(p.mark, kPrefix.size() + 1);
  std::string_view prefix = have.substr(0, kPrefix.size());
  if (prefix != kPrefix.substr(0, prefix.size())) return refuse(kVersionWhat);
  if (have.size() <= kPrefix.size()) return need_more(bytes);
  char minor = have.back();
  if (minor != '0' && minor != '1') return refuse(kVersionWhat);
  p.minor_version = minor - '0';
  p.at = p.mark + have.size();
  return {ParseState::kComplete};
}

ParseOutcome HeadScanner::request_line(std::string_view bytes) {
  Progress& p = progress_;
  switch (p.stage) {
    case Stage::kStart:
      if (ParseOutcome o = skip_empty_line(bytes); o.state != ParseState::kComplete) return o;
      p.stage = Stage::kMethod;
      p.method_begin = p.mark;
      [[fallthrough]];
    case Stage::kMethod:
      p.at = skip(kToken, bytes.data(), p.at, std::min(bytes.size(), p.mark + kMethodBytesMax + 1));
      if (p.at - p.mark > kMethodBytesMax) return refuse("method is too long");
      if (p.at == bytes.size()) return need_more(bytes);
      if (bytes[p.at] == '\n') return refuse(kBareLf);
      if (bytes[p.at] != ' ' || p.at == p.mark) return refuse("method is not a token followed by one space");
      p.method_end = p.at++;
      p.mark = p.at;
      p.stage = Stage::kTarget;
      [[fallthrough]];
    case Stage::kTarget:
      p.at = skip(kTarget, bytes.data(), p.at, std::min(bytes.size(), p.mark + limits_.target_bytes_max + 1));
      if (p.at - p.mark > limits_.target_bytes_max)
        return refuse("request target is too long", ErrorCode::kUriTooLong);
      if (p.at == bytes.size()) return need_more(bytes);
      if (bytes[p.at] == '\r' || bytes[p.at] == '\n') return refuse("request line has no version");
      if (bytes[p.at] != ' ' || p.at == p.mark)
        return refuse("request target is empty or holds a space, '#', control or non-ASCII byte");
      p.target_end = p.at++;
      p.mark = p.at;
      if (ParseOutcome o = check_target(bytes); o.state != ParseState::kComplete) return o;
      p.stage = Stage::kVersion;
      [[fallthrough]];
    default:
      if (ParseOutcome o = version(bytes); o.state != ParseState::kComplete) return o;
      if (p.at == bytes.size()) return need_more(bytes);
      if (bytes[p.at] != '\r') return refuse(bytes[p.at] == '\n' ? kBareLf : kVersionWhat);
      if (p.at + 1 == bytes.size()) return need_more(bytes);
      if (bytes[p.at + 1] != '\n') return refuse(kBareCr);
      p.at += 2;
      p.stage = Stage::kLine;
      return {ParseState::kComplete};
  }
}

// Splits the target. Only its form is judged here; a path is the router's to normalise.
ParseOutcome HeadScanner::check_target(std::string_view bytes) {
  Progress& p = progress_;
  size_t begin = p.method_end + 1;
  std::string_view method = between(bytes, p.method_begin, p.method_end);
  std::string_view target = between(bytes, begin, p.target_end);
  if (method == "CONNECT") return refuse("CONNECT is not spoken");
  size_t path = 0;
  if (target.front() != '/') {
    size_t scheme = iequals(target.substr(0, 7), "http://")    ? 7
                    : iequals(target.substr(0, 8), "https://") ? 8
                                                               : 0;
    if (scheme != 0) {
      p.absolute = true;
      path = std::min(target.find_first_of("/?", scheme), target.size());
      p.authority_begin = begin + scheme;
      p.authority_end = begin + path;
      if (!valid_host(between(bytes, p.authority_begin, p.authority_end)))
        return refuse("request target has an invalid authority");
    } else if (target != "*" || method != "OPTIONS") {
      return refuse("request target is neither a path nor an http(s) URL");
    }
  }
  p.path_begin = begin + path;
  p.path_end = begin + std::min(target.find('?', path), target.size());
  if (p.path_end ==
      p.path_begin) {  // "http://host" and "http://host?query" mean "/": borrow the scheme's last one
    p.path_begin = p.authority_begin - 1;
  }
  return {ParseState::kComplete};
}

ParseOutcome HeadScanner::status_line(std::string_view bytes) {
  Progress& p = progress_;
  switch (p.stage) {
    case Stage::kStart:
      if (ParseOutcome o = skip_empty_line(bytes); o.state != ParseState::kComplete) return o;
      p.stage = Stage::kVersion;
      [[fallthrough]];
    case Stage::kVersion:
      if (ParseOutcome o = version(bytes); o.state != ParseState::kComplete) return o;
      p.mark = p.at;
      p.stage = Stage::kStatus;
      [[fallthrough]];
    case Stage::kStatus: {  // SP 3DIGIT, then SP or CR
      std::string_view have = bytes.substr(p.mark, 5);
      for (size_t i = 0; i < have.size(); ++i) {
        bool ok = i == 0   ? have[0] == ' '
                  : i < 4  ? have[i] >= (i == 1 ? '1' : '0') && have[i] <= '9'
                  : i == 4 ? have[4] == ' ' || have[4] == '\r'
                           : false;
        if (!ok) return refuse(have[i] == '\n' ? kBareLf : "status is not three digits after one space");
      }
      if (have.size() < 5) return need_more(bytes);
      p.status = (have[1] - '0') * 100 + (have[2] - '0') * 10 + (have[3] - '0');
      p.at = p.mark + (have[4] == ' ' ? 5 : 4);
      p.mark = p.at;
      p.stage = Stage::kReason;
      [[fallthrough]];
    }
    default:
      p.at = skip_value(bytes.data(), p.at, bytes.size());
      if (p.at == bytes.size()) return need_more(bytes);
      if (bytes[p.at] != '\r')
        return refuse(bytes[p.at] == '\n' ? kBareLf : "control byte in the reason phrase");
      if (p.at + 1 == bytes.size()) return need_more(bytes);
      if (bytes[p.at + 1] != '\n') return refuse(kBareCr);
      p.reason_begin = p.mark;
      p.reason_end = p.at;
      p.at += 2;
      p.stage = Stage::kLine;
      return {ParseState::kComplete};
  }
}

// What a whole header means for the message. Returns why it is refused, or nothing.
std::string_view HeadScanner::check_header(std::string_view name, std::string_view value) {
  Progress& p = progress_;
  switch (name.size()) {
    case 4:
      if (!iequals(name, "host")) return {};
      if (p.host) return "more than one Host header";
      if (!valid_host(value)) return "Host is not host[:port]";
      p.host = p.headers - 1;
      return {};
    case 6:
      if (iequals(name, "expect") && iequals(value, "100-continue")) p.expect_continue = true;
      return {};
    case 10:
      if ((name[0] | 0x20) != 'c' || !iequals(name, "connection")) return {};
      for_each_member(value, [&p](std::string_view member) {
        if (iequals(member, "close")) p.close = true;
        if (iequals(member, "keep-alive")) p.keep_alive = true;
      });
      return {};
    case 14:
      if (!iequals(name, "content-length")) return {};
      if (p.transfer_encoding) return "both Content-Length and Transfer-Encoding";
      if (p.content_length) return "more than one Content-Length";
      p.content_length = parse_length(value);
      return p.content_length ? std::string_view() : "Content-Length is not a number up to 2^63-1";
    case 17:
      if (!iequals(name, "transfer-encoding")) return {};
      if (p.content_length) return "both Content-Length and Transfer-Encoding";
      if (p.transfer_encoding) return "more than one Transfer-Encoding";
      if (p.minor_version == 0) return "Transfer-Encoding in HTTP/1.0";
      if (!iequals(value, "chunked")) return "Transfer-Encoding is not \"chunked\"";
      p.transfer_encoding = true;
      return {};
    default:
      return {};
  }
}

// The hot loop: positions live in locals, `progress_` sees them when the bytes run out.
ParseOutcome HeadScanner::header_lines(std::string_view bytes, std::vector<Header>& headers) {
  Progress& p = progress_;
  const char* b = bytes.data();
  const size_t end = bytes.size();
  size_t at = p.at;
  size_t mark = p.mark;
  size_t name_end = p.name_end;
  auto suspend = [&](Stage stage) {
    p.stage = stage;
    p.at = at;
    p.mark = mark;
    p.name_end = name_end;
    return need_more(bytes);
  };
  Stage stage = p.stage;
  for (;;) {
    if (stage == Stage::kLine) {
      if (at == end) return suspend(Stage::kLine);
      if (b[at] == '\r') {
        if (at + 1 == end) return suspend(Stage::kLine);
        if (b[at + 1] != '\n') return refuse(kBareCr);
        p.at = at + 2;
        return {ParseState::kComplete, at + 2};
      }
      if (b[at] == ' ' || b[at] == '\t')
        return refuse("header line begins with a space (folding is obsolete)");
      if (headers.size() == limits_.headers_max)
        return refuse("too many headers", ErrorCode::kHeadersTooLarge);
      mark = at;
      p.underscore = false;
      stage = Stage::kName;
    }
    if (stage == Stage::kName) {
      at = skip(kPlainToken, b, at, end);
      while (at < end && b[at] == '_') {
        p.underscore = true;
        at = skip(kPlainToken, b, at + 1, end);
      }
      if (at == end) return suspend(Stage::kName);
      if (b[at] != ':' || at == mark) {
        if (b[at] == '\n') return refuse(kBareLf);
        return refuse(b[at] == ' ' || b[at] == '\t' ? "space in or after a header name"
                                                    : "header name is not a token");
      }
      if (p.underscore && resembles_trusted({b + mark, at - mark}))
        return refuse("header name imitates another with '_'");
      name_end = at++;
      stage = Stage::kValue;
    }
    at = skip_value(b, at, end);
    if (at == end) return suspend(Stage::kValue);
    if (b[at] != '\r') return refuse(b[at] == '\n' ? kBareLf : "control byte in a header value");
    if (at + 1 == end) return suspend(Stage::kValue);
    if (b[at + 1] != '\n') return refuse(kBareCr);
    std::string_view name(b + mark, name_end - mark);
    std::string_view value = trim({b + name_end + 1, at - name_end - 1});
    headers.push_back({name, value});
    p.headers = headers.size();
    if (std::string_view what = check_header(name, value); !what.empty()) return refuse(what);
    at += 2;
    stage = Stage::kLine;
  }
}

ParseOutcome HeadScanner::request(std::string_view bytes, RequestHead& out) {
  if (progress_.stage == Stage::kRefused) return progress_.refusal;
  resume(bytes, out.headers);
  Progress& p = progress_;
  bytes = bytes.substr(0, limits_.block_bytes_max);
  if (p.stage < Stage::kLine) {
    if (ParseOutcome o = request_line(bytes); o.state != ParseState::kComplete) return o;
  }
  ParseOutcome done = header_lines(bytes, out.headers);
  if (done.state != ParseState::kComplete) return done;

  if (!p.host && p.minor_version == 1) return refuse("no Host header");
  std::string_view authority = between(bytes, p.authority_begin, p.authority_end);
  out.host = p.host ? out.headers[*p.host].value : authority;
  if (p.absolute && !iequals(out.host, authority)) return refuse("request target and Host disagree");
  out.method = between(bytes, p.method_begin, p.method_end);
  out.target = between(bytes, p.method_end + 1, p.target_end);
  // A path borrowed from the scheme ends before the authority; the query begins where the authority ended
  // then.
  bool borrowed = p.absolute && p.path_begin < p.authority_begin;
  out.path = between(bytes, p.path_begin, borrowed ? p.path_begin + 1 : p.path_end);
  out.query = p.path_end < p.target_end ? between(bytes, p.path_end + 1, p.target_end) : std::string_view();
  out.minor_version = p.minor_version;
  out.content_length = p.content_length;
  out.chunked = p.transfer_encoding;
  out.keep_alive = !p.close && (p.minor_version == 1 || p.keep_alive);
  out.expect_continue = p.expect_continue && p.minor_version == 1;
  progress_ = {};
  return done;
}

ParseOutcome HeadScanner::response(std::string_view bytes, std::string_view request_method,
                                   ResponseHead& out) {
  if (progress_.stage == Stage::kRefused) return progress_.refusal;
  resume(bytes, out.headers);
  Progress& p = progress_;
  bytes = bytes.substr(0, limits_.block_bytes_max);
  if (p.stage < Stage::kLine) {
    if (ParseOutcome o = status_line(bytes); o.state != ParseState::kComplete) return o;
    if (p.status == 101) return refuse("101 without an upgrade asked for");
  }
  ParseOutcome done = header_lines(bytes, out.headers);
  if (done.state != ParseState::kComplete) return done;

  out.status = p.status;
  out.reason = between(bytes, p.reason_begin, p.reason_end);
  out.minor_version = p.minor_version;
  out.content_length = p.content_length;
  out.chunked = p.transfer_encoding;
  bool never_body = p.status < 200 || p.status == 204;
  out.body_allowed = !never_body && p.status != 304 && request_method != "HEAD";
  out.until_close = out.body_allowed && !out.chunked && !out.content_length;
  out.keep_alive = !p.close && (p.minor_version == 1 || p.keep_alive) && !out.until_close;
  // A 204 that announces a body may well send one: what follows cannot be trusted to be the next answer.
  if (never_body && (out.chunked || out.content_length.value_or(0) != 0)) out.keep_alive = false;
  progress_ = {};
  return done;
}

}  // namespace weir::http
