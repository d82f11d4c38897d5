// The HTTP/1.1 codec: heads of requests and responses, and the chunked framing of bodies. Pure: bytes in,
// views into those bytes out; it owns no connection and no buffer. One object serves one direction of one
// connection, on that connection's thread. It is as strict as the field's strictest parser, because every
// leniency is a chance for two parsers on one path to disagree about where a message ends (request
// smuggling). What is always true: a verdict depends on the bytes alone, never on the pieces they arrived in,
// and kInvalid is final (the connection must be closed: nothing after it can be read as a message).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "weir/base/error.h"
#include "weir/base/header.h"

namespace weir::http {

/// Bounds of one head. A head that exceeds one is refused as soon as the excess is seen.
struct HeadLimits {
  size_t target_bytes_max = 8192;  // longest request target; more: kUriTooLong
  size_t block_bytes_max =
      65536;  // the whole head, start line and closing blank line included; more: kHeadersTooLarge
  size_t headers_max = 100;  // more: kHeadersTooLarge
};

/// A request head. Every view points into the bytes given to the scanner.
struct RequestHead {
  std::string_view method;
  std::string_view target;  // as sent: origin-form, absolute-form, or "*"
  std::string_view
      path;  // of the target, without scheme, authority and query; "/" when an absolute-form has none
  std::string_view query;  // without the '?'
  std::string_view host;   // the Host header's value; "" for an HTTP/1.0 request without one
  int minor_version = 1;   // HTTP/1.x (0 or 1)
  std::vector<Header> headers;
  std::optional<uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;
  bool expect_continue = false;

  /// Empties the head; the storage of `headers` is kept.
  void clear();
};

/// A response head. Every view points into the bytes given to the scanner.
struct ResponseHead {
  int status = 0;
  std::string_view reason;
  int minor_version = 1;
  std::vector<Header> headers;
  std::optional<uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;
  bool body_allowed = true;  // false: the answer to HEAD, 1xx, 204, 304 (whatever the length headers say)
  bool until_close = false;  // the body ends where the connection ends

  /// Empties the head; the storage of `headers` is kept.
  void clear();
};

enum class ParseState : uint8_t { kIncomplete, kComplete, kInvalid };

struct ParseOutcome {
  ParseState state;
  size_t consumed = 0;                          // kComplete: bytes of the head, from the first byte given
  ErrorCode code = ErrorCode::kInvalidRequest;  // kInvalid: this, kUriTooLong or kHeadersTooLarge
  std::string_view what = {};                   // kInvalid: static text, e.g. "line ends in a bare LF"
};

/// Reads one head out of bytes that grow between calls. It remembers where it stopped looking, so a head that
/// arrives byte by byte costs O(n) in total.
class HeadScanner {
 public:
  explicit HeadScanner(HeadLimits limits = {}) : limits_(limits) {}

  /// Requires: until a verdict, `bytes` starts at the head's first byte in every call and only grows (it may
  /// move in memory), and `out` is the same object, left alone. Ensures: `out` is filled on kComplete
  /// (unspecified before) and the scanner is ready for the next head; after kInvalid it repeats that verdict
  /// until reset(). One empty line before the start line is skipped (RFC 9112, 2.2). Upgrades are not spoken:
  /// CONNECT and 101 are refused, any other head that asks for one is read as if it did not.
  ParseOutcome request(std::string_view bytes, RequestHead& out);

  /// The same for the answer to a request of `request_method`.
  ParseOutcome response(std::string_view bytes, std::string_view request_method, ResponseHead& out);

  /// Forgets an unfinished or refused head.
  void reset() { progress_ = {}; }

 private:
  enum class Stage : uint8_t {
    kStart,
    kMethod,
    kTarget,
    kVersion,
    kStatus,
    kReason,
    kLine,
    kName,
    kValue,
    kRefused
  };

  // All that a head under way has told so far, as offsets: the bytes may move between calls.
  struct Progress {
    Stage stage = Stage::kStart;
    bool underscore = false;  // the header name under way holds one
    bool absolute = false;    // the target is an absolute-form
    bool transfer_encoding = false;
    bool close = false;
    bool keep_alive = false;
    bool expect_continue = false;
    int minor_version = 1;
    int status = 0;
    size_t at = 0;        // the first byte not looked at yet
    size_t mark = 0;      // where the element under way begins
    size_t name_end = 0;  // of the header under way
    size_t method_begin = 0, method_end = 0;
    size_t target_end = 0;  // it begins one after method_end
    size_t authority_begin = 0, authority_end = 0, path_begin = 0, path_end = 0;
    size_t reason_begin = 0, reason_end = 0;
    size_t headers = 0;  // pushed to `out` so far
    const char* base = nullptr;
    std::optional<size_t> host;  // its index
    std::optional<uint64_t> content_length;
    ParseOutcome refusal = {ParseState::kInvalid};
  };

  void resume(std::string_view bytes, std::vector<Header>& headers);
  ParseOutcome request_line(std::string_view bytes);
  ParseOutcome status_line(std::string_view bytes);
  ParseOutcome header_lines(std::string_view bytes, std::vector<Header>& headers);
  ParseOutcome check_target(std::string_view bytes);
  std::string_view check_header(std::string_view name, std::string_view value);
  ParseOutcome skip_empty_line(std::string_view bytes);
  ParseOutcome version(std::string_view bytes);
  ParseOutcome need_more(std::string_view bytes);
  ParseOutcome refuse(std::string_view what, ErrorCode code = ErrorCode::kInvalidRequest);

  HeadLimits limits_;
  Progress progress_;
};

/// Takes the chunked framing off a body. Bounds: chunk size 1 to 16 hex digits and at most 2^63-1, chunk
/// extensions 256 bytes a chunk and in all 16 KiB more than the payload so far (chunks of one byte would make
/// 260 bytes of work of each), trailer section 8 KiB (validated as header lines, then dropped).
class ChunkedDecoder {
 public:
  struct Step {
    ParseState state;
    size_t consumed = 0;    // bytes read of this call's `bytes`: all of them while kIncomplete
    size_t payload = 0;     // payload bytes found in them, now at the front of `bytes`
    std::string_view what;  // kInvalid: static text
  };

  /// Reads as far as `bytes` goes and moves the payload of all whole and partial chunks to its front.
  /// Requires: each call brings the bytes that follow the last call's `consumed`; none after kComplete or
  /// kInvalid without reset(). Framing split between calls is remembered, so the caller may drop `consumed`
  /// bytes.
  Step decode(std::span<char> bytes);

  void reset();

 private:
  enum class State : uint8_t {
    kSizeFirst,       // the first digit of a chunk size
    kSize,            // further digits
    kExtensionFirst,  // after ';'
    kExtension,       // its name
    kValueFirst,      // after '='
    kValue,
    kQuoted,
    kQuotedPair,
    kAfterQuoted,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailerFirst,  // the first byte of a trailer line, or of the closing empty line
    kTrailerName,
    kTrailerValue,
    kTrailerLf,
    kLastLf,
    kDone,
  };

  static constexpr uint64_t kExtensionRoom = 16 * 1024;

  std::string_view frame_byte(char c);

  State state_ = State::kSizeFirst;
  int digits_ = 0;
  uint32_t extension_bytes_ = 0;              // of this chunk
  uint64_t extension_room_ = kExtensionRoom;  // of the whole body
  uint32_t trailer_bytes_ = 0;
  uint64_t left_ = 0;  // of the chunk under way; while its size is read, the size so far
  std::string_view refusal_;
};

}  // namespace weir::http
